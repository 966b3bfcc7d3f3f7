// What the bounds print: one line a figure, with its bound, as suites count them.

export const MB = 1_000_000;
export const MIB = 1024 * 1024;

let broken = 0;

/** Prints a figure and whether it keeps its bound. */
export function expectAtMost(name: string, figure: number, bound: number, unit: "MB" | "ms" | ""): void {
  const shown = (value: number): string => {
    if (unit === "MB") return `${(value / MB).toFixed(1)} MB`;
    return unit === "ms" ? `${value.toFixed(1)} ms` : String(value);
  };
  const kept = figure <= bound;
  if (!kept) broken += 1;
  process.stdout.write(`${kept ? "ok" : "not ok"} ${name}: ${shown(figure)} (bound ${shown(bound)})\n`);
}

/** Prints what explains the figures. */
export function note(text: string): void {
  process.stdout.write(`   ${text}\n`);
}

/** Whether every bound so far was kept. */
export function allKept(): boolean {
  return broken === 0;
}
