import { civilFromDays, daysFromCivil } from "../time.ts";
import type { CalendarSchedule, CronSchedule } from "./cron.ts";
import type { OffsetAt } from "./time-zone.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Kubernetes' bound: a schedule without a start within five years (such as 31 February) has none. */
const HORIZON_MS = 5 * 366 * DAY_MS;

/**
 * The first start of a schedule after an instant; undefined when there is none for five years.
 *
 * A calendar's starts are the instants at which the zone's clocks show it. So what falls into the hour that clocks leave
 * out in spring is not started that day, and what falls into the hour that they repeat in autumn is started twice: as
 * Kubernetes does.
 */
export function nextStart(schedule: CronSchedule, offsetAt: OffsetAt, after: number): number | undefined {
  if (schedule.type === "interval") return Math.floor(after / 1000) * 1000 + schedule.everyMs;
  let instant = (Math.floor(after / MINUTE_MS) + 1) * MINUTE_MS;
  const horizon = after + HORIZON_MS;
  while (instant <= horizon) {
    const offset = offsetAt(instant);
    const leaps = leapsTo(schedule, instant + offset);
    if (leaps.length === 0) return instant;
    // When clocks change on the way, a smaller leap is taken: none may pass over an hour that comes twice.
    instant += leaps.find((leap) => offsetAt(instant + leap) === offset) ?? MINUTE_MS;
  }
  return undefined;
}

/** How far nothing matches from a wall clock's time on: the longest leap first, none if this time matches. */
function leapsTo(schedule: CalendarSchedule, wall: number): number[] {
  const days = Math.floor(wall / DAY_MS);
  const [year, month, day] = civilFromDays(days);
  const inDay = wall - days * DAY_MS;
  const hour = Math.floor(inDay / HOUR_MS);
  const minute = Math.floor((inDay - hour * HOUR_MS) / MINUTE_MS);
  const toHour = HOUR_MS - (inDay % HOUR_MS);
  const toMidnight = DAY_MS - inDay;
  const smaller = [toHour, MINUTE_MS];
  if (!schedule.months.has(month)) {
    const nextMonth = month === 12 ? daysFromCivil(year + 1, 1, 1) : daysFromCivil(year, month + 1, 1);
    return [nextMonth * DAY_MS - wall, toMidnight, ...smaller];
  }
  if (!matchesDay(schedule, day, days)) return [toMidnight, ...smaller];
  if (!schedule.hours.has(hour)) return smaller;
  return schedule.minutes.has(minute) ? [] : [MINUTE_MS];
}

function matchesDay({ daysOfMonth, daysOfWeek, eitherDay }: CalendarSchedule, day: number, days: number): boolean {
  const inMonth = daysOfMonth.has(day);
  // 1970-01-01 was a Thursday.
  const inWeek = daysOfWeek.has((((days + 4) % 7) + 7) % 7);
  return eitherDay ? inMonth || inWeek : inMonth && inWeek;
}

/** The starts that have passed. */
export interface PassedStarts {
  /** The last one that is not after `now`. */
  readonly latest: number | undefined;
  /** Whether there were more than `limit`. */
  readonly isMore: boolean;
}

/** The starts of a schedule after one instant up to another. */
export function passedStarts(
  schedule: CronSchedule,
  offsetAt: OffsetAt,
  { after, now, limit }: { readonly after: number; readonly now: number; readonly limit: number },
): PassedStarts {
  let latest: number | undefined;
  for (let count = 0; count <= limit; count++) {
    const next = nextStart(schedule, offsetAt, latest ?? after);
    if (next === undefined || next > now) return { latest, isMore: false };
    latest = next;
  }
  return { latest: latestStart(schedule, offsetAt, latest!, now), isMore: true };
}

/** The last start up to `now`, given an earlier one. */
function latestStart(schedule: CronSchedule, offsetAt: OffsetAt, start: number, now: number): number {
  if (schedule.type === "interval") return start + Math.floor((now - start) / schedule.everyMs) * schedule.everyMs;
  // Invariant: `latest` is a start, and none lies between `end` and `now`. Halved, for there may be millions.
  let latest = start;
  let end = now;
  while (end - latest >= MINUTE_MS) {
    const middle = latest + Math.floor((end - latest) / 2);
    const next = nextStart(schedule, offsetAt, middle);
    if (next !== undefined && next <= now) latest = next;
    else end = middle;
  }
  return latest;
}
