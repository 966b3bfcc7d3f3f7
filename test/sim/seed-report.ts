import type { Counted } from "./coverage.ts";

/** What one seed came to, as it travels from a worker to whoever asked. */
export interface SeedReport {
  readonly seed: number;
  readonly failure:
    | {
        readonly message: string;
        readonly stack: string;
        /** What the members logged last. */
        readonly lines: readonly string[];
      }
    | undefined;
  readonly counts: readonly (readonly [Counted, number])[];
  /** The same for the same seed and the same program. */
  readonly trace: string;
  readonly steps: number;
  readonly undecided: number;
  readonly cpuSeconds: number;
}
