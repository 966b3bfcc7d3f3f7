import type { WriteCount } from "./writers.ts";

/** What one fault came to. */
export interface Outcome {
  readonly fault: string;
  readonly round: number;
  readonly what: string;
  /** How long it lasted. */
  readonly seconds: number;
  /** From its healing until all was as it should be. */
  readonly recoveredMs: number;
  readonly requests: number;
  readonly failed: number;
  readonly writes: Readonly<Record<string, WriteCount>>;
  readonly lost: number;
  readonly twice: number;
}

/** A table for people, one line a fault. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const head = [
    "round",
    "fault",
    "lasted",
    "recovered",
    "requests",
    "failed",
    "writes",
    "failed",
    "gap",
    "lost",
    "twice",
  ];
  const rows = outcomes.map((one) => {
    const writes = Object.values(one.writes);
    const sum = (of: (count: WriteCount) => number): number => writes.reduce((total, count) => total + of(count), 0);
    return [
      one.round,
      one.fault,
      `${one.seconds} s`,
      `${(one.recoveredMs / 1000).toFixed(1)} s`,
      one.requests,
      one.failed,
      sum((count) => count.acknowledged),
      sum((count) => count.failed),
      `${(Math.max(...writes.map((count) => count.longestGapMs)) / 1000).toFixed(1)} s`,
      one.lost,
      one.twice,
    ].map(String);
  });
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [head, ...rows]
    .map((row) => row.map((cell, i) => (i === 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "))
    .join("\n");
}
