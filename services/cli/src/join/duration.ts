import { TriremeError } from "@trireme/base";

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `30m`, `1h`, `2d` in milliseconds. Throws BadRequest. */
export function parseDuration(text: string): number {
  const match = /^([1-9][0-9]{0,5})([smhd])$/.exec(text);
  if (match === null) throw new TriremeError("BadRequest", `"${text}" must be a time such as 90s, 30m, 1h or 2d`);
  return Number(match[1]) * (UNITS[match[2] ?? ""] ?? 0);
}
