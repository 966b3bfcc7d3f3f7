import { formatTime } from "../time.ts";

/** How far the wall clock of a zone is ahead of UTC at an instant, both in milliseconds. */
export type OffsetAt = (instant: number) => number;

const IN_UTC: OffsetAt = () => 0;

/**
 * The offsets of a zone of the IANA database by its name, such as `Europe/Vienna`; undefined for a name that is none.
 * The database is the one inside the JavaScript engine: part of the program, and no setting of the machine.
 */
export function timeZoneOffsets(name: string): OffsetAt | undefined {
  if (name === "UTC") return IN_UTC;
  // The engine takes offsets for names, which are no names of the database.
  if (!/^[A-Za-z]/.test(name)) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch {
    return undefined;
  }
  return (instant) => {
    const text = format.format(instant);
    const [, sign, hours = "0", minutes = "0", seconds = "0"] = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
    const offset = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
    return sign === "-" ? -offset : offset;
  };
}

/** `2026-11-22T11:00:00+01:00`: an instant as a zone's clocks show it, in RFC 3339. */
export function formatTimeIn(offsetAt: OffsetAt, instant: number): string {
  const offset = offsetAt(instant);
  const shown = formatTime(instant + offset);
  if (offset === 0) return shown;
  const minutes = Math.abs(Math.trunc(offset / 60_000));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${shown.slice(0, -1)}${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
