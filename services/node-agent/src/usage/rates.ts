import type { Counters } from "./cgroup-files.ts";

/** CPU use is an average over at most so many readings before the last: long enough to be calm, short enough to react. */
const READINGS = 3;

interface Reading extends Counters {
  readonly atMs: number;
}

/** What was used over the last readings. */
export interface Rate {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly windowMs: number;
}

/** Turns counters, read again and again, into rates. Pure: time comes in as an argument. */
export class Rates {
  private readonly readings = new Map<string, Reading[]>();

  /** Notes what `id` counts at `atMs` (monotonic); answers its rate, from the second reading on. */
  add(id: string, counters: Counters, atMs: number): Rate | undefined {
    const known = this.readings.get(id) ?? [];
    const last = known.at(-1);
    // A counter that went back is another cgroup of the same name: it starts anew.
    const kept = last !== undefined && last.cpuMicros > counters.cpuMicros ? [] : known.slice(-READINGS);
    this.readings.set(id, [...kept, { ...counters, atMs }]);
    const [first] = kept;
    if (first === undefined || atMs <= first.atMs) return undefined;
    const windowMs = atMs - first.atMs;
    const cpuMillis = Math.round((counters.cpuMicros - first.cpuMicros) / windowMs);
    return { cpuMillis, memoryBytes: Math.round(counters.memoryBytes), windowMs: Math.round(windowMs) };
  }

  /** Forgets everything that is not in `ids`. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.readings.keys()) if (!ids.has(id)) this.readings.delete(id);
  }
}
