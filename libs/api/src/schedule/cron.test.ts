import { describe, expect, it } from "vitest";
import { type CalendarSchedule, parseCronSchedule } from "./cron.ts";
import { nextStart, passedStarts } from "./next-start.ts";
import { formatTimeIn, timeZoneOffsets } from "./time-zone.ts";

const at = (text: string): number => Date.parse(text);

/** The next starts as the zone's clocks show them. */
function starts(schedule: string, from: string, count: number, zone = "UTC"): string[] {
  const parsed = parseCronSchedule(schedule);
  if (typeof parsed === "string") throw new Error(parsed);
  const offsetAt = timeZoneOffsets(zone)!;
  const found: string[] = [];
  let last = at(from);
  for (let index = 0; index < count; index++) {
    const next = nextStart(parsed, offsetAt, last);
    if (next === undefined) break;
    found.push(formatTimeIn(offsetAt, next));
    last = next;
  }
  return found;
}

describe("a schedule", () => {
  it.each([
    ["*/15 * * * *", "2026-11-22T10:07:00Z", "2026-11-22T10:15:00Z"],
    ["0 0 13 * 5", "2026-11-22T10:00:00Z", "2026-11-27T00:00:00Z"],
    ["0 0 13 * *", "2026-11-22T10:00:00Z", "2026-12-13T00:00:00Z"],
    ["0 0 */2 * mon", "2026-11-22T10:00:00Z", "2026-11-23T00:00:00Z"],
    ["30 6-16/4 * * 1-5", "2026-11-20T18:00:00Z", "2026-11-23T06:30:00Z"],
    ["5/20 3 * JAN,feb ?", "2026-11-22T10:00:00Z", "2027-01-01T03:05:00Z"],
    ["0 0 29 2 *", "2026-11-22T10:00:00Z", "2028-02-29T00:00:00Z"],
    ["@hourly", "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"],
    ["@weekly", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"],
    ["@monthly", "2026-11-22T10:00:00Z", "2026-12-01T00:00:00Z"],
    ["@annually", "2026-11-22T10:00:00Z", "2027-01-01T00:00:00Z"],
    ["@every 1h30m", "2026-11-22T10:00:01Z", "2026-11-22T11:30:01Z"],
    ["@every 0.1s", "2026-11-22T10:00:01Z", "2026-11-22T10:00:02Z"],
  ])("%s after %s is at %s", (schedule, from, expected) => {
    expect(starts(schedule, from, 1)).toEqual([expected]);
  });

  it("may name a day that never comes", () => {
    expect(starts("59 23 31 2 *", "2026-11-22T10:00:00Z", 1)).toEqual([]);
  });

  it.each([
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["", "empty spec string"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
    ["* * * * 7", "end of range (7) above maximum (6): 7"],
    ["* 5-3 * * *", "beginning of range (5) beyond end of range (3): 5-3"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["1-2-3 * * * *", "too many hyphens: 1-2-3"],
    ["1/2/3 * * * *", "too many slashes: 1/2/3"],
    ["x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ["@now", "unrecognized descriptor: @now"],
    ["@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'],
  ])("%j is none: %s", (schedule, problem) => {
    expect(parseCronSchedule(schedule)).toBe(problem);
  });

  it("takes a day of either kind only when both are restricted", () => {
    const eitherDay = (text: string): boolean => (parseCronSchedule(text) as CalendarSchedule).eitherDay;
    expect([
      eitherDay("0 0 1 * 1"),
      eitherDay("0 0 */2 * 1"),
      eitherDay("0 0 */1 * 1"),
      eitherDay("0 0 1 * ?"),
    ]).toEqual([true, true, false, false]);
  });
});

describe("daylight saving", () => {
  it("leaves out the hour that clocks leave out", () => {
    expect(starts("30 2 * * *", "2026-03-27T12:00:00Z", 3, "Europe/Vienna")).toEqual([
      "2026-03-28T02:30:00+01:00",
      "2026-03-30T02:30:00+02:00",
      "2026-03-31T02:30:00+02:00",
    ]);
  });

  it("starts twice in the hour that clocks repeat", () => {
    expect(starts("30 1 * * *", "2026-10-31T12:00:00Z", 3, "America/New_York")).toEqual([
      "2026-11-01T01:30:00-04:00",
      "2026-11-01T01:30:00-05:00",
      "2026-11-02T01:30:00-05:00",
    ]);
  });

  it("finds midnight where clocks change at midnight", () => {
    // In Beirut 29 March 2026 begins at one o'clock.
    expect(starts("0 0 * * *", "2026-03-27T12:00:00Z", 2, "Asia/Beirut")).toEqual([
      "2026-03-28T00:00:00+02:00",
      "2026-03-30T00:00:00+03:00",
    ]);
    expect(starts("0 1 29 3 *", "2026-03-27T12:00:00Z", 1, "Asia/Beirut")).toEqual(["2026-03-29T01:00:00+03:00"]);
  });
});

describe("a time zone", () => {
  it("has a name of the database", () => {
    expect(
      ["Europe/Vienna", "UTC", "Etc/UTC", "+01:00", "Mars/Olympus"].map((name) => timeZoneOffsets(name) !== undefined),
    ).toEqual([true, true, true, false, false]);
    expect(formatTimeIn(timeZoneOffsets("Asia/Kolkata")!, at("2026-11-22T10:00:00Z"))).toBe(
      "2026-11-22T15:30:00+05:30",
    );
    expect(formatTimeIn(timeZoneOffsets("America/St_Johns")!, at("2026-11-22T10:00:00Z"))).toBe(
      "2026-11-22T06:30:00-03:30",
    );
  });
});

describe("passed starts", () => {
  const passed = (schedule: string, after: string, now: string) => {
    const parsed = parseCronSchedule(schedule);
    if (typeof parsed === "string") throw new Error(parsed);
    const { latest, isMore } = passedStarts(parsed, () => 0, { after: at(after), now: at(now), limit: 100 });
    return [latest === undefined ? undefined : new Date(latest).toISOString(), isMore];
  };

  it("are counted up to a bound, and the last is found beyond it", () => {
    const from = "2026-11-22T10:00:00Z";
    expect(passed("* * * * *", from, "2026-11-22T10:00:59Z")).toEqual([undefined, false]);
    expect(passed("* * * * *", from, "2026-11-22T11:40:59Z")).toEqual(["2026-11-22T11:40:00.000Z", false]);
    expect(passed("* * * * *", from, "2026-11-22T11:41:00Z")).toEqual(["2026-11-22T11:41:00.000Z", true]);
    expect(passed("* * * 1 *", "2016-11-22T10:00:00Z", from)).toEqual(["2026-01-31T23:59:00.000Z", true]);
    expect(passed("@every 7s", from, "2026-11-23T10:00:00Z")).toEqual(["2026-11-23T09:59:54.000Z", true]);
  });
});
