import type { Result } from "./trial.ts";

/** One scenario in one round. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly holds: string;
  readonly round: number;
  readonly seconds: number;
  readonly violations: readonly string[];
  /** Missing when it did not get to its end. */
  readonly result?: Result;
}

/** One line, as it happens: `ok` or `not ok`, what, and how it is known. */
export function lineOf({ id, title, round, seconds, violations, result }: Row): string {
  const head = `${violations.length === 0 ? "ok" : "not ok"} ${id} ${title} (round ${round}, ${seconds.toFixed(1)} s)`;
  const proofs = (result?.proofs ?? []).map((proof) => `   # ${proof}`);
  const notes = (result?.notes ?? []).map((note) => `   # (${note})`);
  const wrong = violations.slice(0, 5).map((violation) => `   ! ${violation}`);
  const more = violations.length > 5 ? [`   ! and ${violations.length - 5} more`] : [];
  return [head, ...proofs, ...notes, ...wrong, ...more].join("\n");
}

/** The table for people. */
export function tableOf(rows: readonly Row[]): string {
  const head = [
    "fault",
    "holds",
    "recovered",
    "gap",
    "acked",
    "lost",
    "refused",
    "unknown",
    "checked",
    "verdict",
    "proof",
  ];
  const body = rows.map(({ id, holds, result, violations }) => {
    const numbers =
      result === undefined
        ? ["-", "-", "-", "-", "-", "-", "-"]
        : [
            `${Math.round(result.recoveredMs)} ms`,
            `${Math.round(result.longestGapMs)} ms`,
            result.acknowledged,
            result.lost,
            result.refused,
            result.unknown,
            result.operations,
          ];
    const verdict = violations.length === 0 ? "held" : "BROKEN";
    return [id, holds, ...numbers, verdict, result?.proofs.join("; ") ?? violations[0] ?? ""].map(String);
  });
  const last = head.length - 1;
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((row) => row[i]!.length)));
  const cell = (text: string, i: number): string =>
    i === last ? text : i < 2 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!);
  return [head, ...body].map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
