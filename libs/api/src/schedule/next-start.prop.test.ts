import fc from "fast-check";
import { expect, it } from "vitest";
import { type CalendarSchedule, parseCronSchedule } from "./cron.ts";
import { nextStart, passedStarts } from "./next-start.ts";
import { type OffsetAt, timeZoneOffsets } from "./time-zone.ts";

/*
 * Goal: leaps pass over no start and land on nothing else. Method: schedules, zones and times are drawn by fast-check,
 * most times near a change of clocks; each answer is compared with a walk through every minute that reads the wall clock
 * by JavaScript's own dates.
 */

const MINUTE_MS = 60_000;
const WINDOW_MS = 24 * 60 * MINUTE_MS;

/** Clocks change on quarters of an hour: the zone is asked once for each. */
function byQuarter(offsetAt: OffsetAt): OffsetAt {
  const known = new Map<number, number>();
  return (instant) => {
    const quarter = Math.floor(instant / (15 * MINUTE_MS));
    const offset = known.get(quarter) ?? offsetAt(quarter * 15 * MINUTE_MS);
    known.set(quarter, offset);
    return offset;
  };
}

function shows(schedule: CalendarSchedule, offsetAt: OffsetAt, instant: number): boolean {
  const wall = new Date(instant + offsetAt(instant));
  const inMonth = schedule.daysOfMonth.has(wall.getUTCDate());
  const inWeek = schedule.daysOfWeek.has(wall.getUTCDay());
  return (
    schedule.minutes.has(wall.getUTCMinutes()) &&
    schedule.hours.has(wall.getUTCHours()) &&
    schedule.months.has(wall.getUTCMonth() + 1) &&
    (schedule.eitherDay ? inMonth || inWeek : inMonth && inWeek)
  );
}

function field(min: number, max: number): fc.Arbitrary<string> {
  const value = fc.integer({ min, max });
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant("*") },
    value.map(String),
    fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.integer({ min: 2, max }).map((step) => `*/${step}`),
    fc.tuple(value, value).map(([a, b]) => `${a},${b}`),
  );
}

const schedules = fc
  .tuple(
    field(0, 59),
    field(0, 23),
    field(1, 31),
    fc.oneof({ weight: 4, arbitrary: fc.constant("*") }, field(1, 12)),
    field(0, 6),
  )
  .map((fields) => parseCronSchedule(fields.join(" ")) as CalendarSchedule);

// Changes at night, at midnight, by half an hour, and twice within a month.
const zones = fc.constantFrom(
  "UTC",
  "Europe/Vienna",
  "America/New_York",
  "Asia/Beirut",
  "Australia/Lord_Howe",
  "Africa/Casablanca",
  "Asia/Kolkata",
);
const CHANGES = [
  "2026-03-29",
  "2026-10-25",
  "2026-03-08",
  "2026-11-01",
  "2026-04-05",
  "2026-10-04",
  "2026-02-15",
  "2026-03-22",
];
const times = fc
  .tuple(
    fc.constantFrom(...CHANGES),
    fc.integer({ min: -2 * 24 * 60, max: 24 * 60 }),
    fc.integer({ min: 0, max: 59_999 }),
  )
  .map(([day, minutes, ms]) => Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE_MS + ms);

it("starts exactly when the zone's clocks show the schedule", () => {
  fc.assert(
    fc.property(schedules, zones, times, (schedule, zone, after) => {
      const offsetAt = timeZoneOffsets(zone)!;
      const found = nextStart(schedule, offsetAt, after);
      const shown = byQuarter(offsetAt);
      const end = Math.min(found ?? Infinity, after + WINDOW_MS);
      for (let instant = (Math.floor(after / MINUTE_MS) + 1) * MINUTE_MS; instant < end; instant += MINUTE_MS) {
        if (shows(schedule, shown, instant)) expect.fail(`${new Date(instant).toISOString()} was passed over`);
      }
      if (found !== undefined) {
        expect(found).toBeGreaterThan(after);
        expect(shows(schedule, offsetAt, found), new Date(found).toISOString()).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

it("finds the last start that has passed, however many there were", () => {
  fc.assert(
    fc.property(
      schedules,
      zones,
      times,
      fc.integer({ min: 0, max: 40 * 24 * 60 }),
      (schedule, zone, after, minutes) => {
        const offsetAt = timeZoneOffsets(zone)!;
        const now = after + minutes * MINUTE_MS;
        const { latest, isMore } = passedStarts(schedule, offsetAt, { after, now, limit: 20 });
        const next = nextStart(schedule, offsetAt, latest ?? after);
        expect(next ?? Infinity).toBeGreaterThan(now);
        if (latest === undefined) {
          expect(isMore).toBe(false);
          return;
        }
        expect(latest).toBeGreaterThan(after);
        expect(latest).toBeLessThanOrEqual(now);
        expect(shows(schedule, offsetAt, latest)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});
