/** The schedules of CronJobs, read as the library that Kubernetes uses reads them (robfig/cron, its standard parser). */

/** Whenever the wall clock of a zone shows one of these. */
export interface CalendarSchedule {
  readonly type: "calendar";
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  /** 1 is January. */
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly daysOfWeek: ReadonlySet<number>;
  /** Both kinds of days are restricted: then a day of either kind will do. Otherwise it must be of both. */
  readonly eitherDay: boolean;
}

/** Again and again after the same time, whatever the wall clock shows. */
export interface IntervalSchedule {
  readonly type: "interval";
  /** Whole seconds, at least one. */
  readonly everyMs: number;
}

/** When a CronJob's Jobs are to start. */
export type CronSchedule = CalendarSchedule | IntervalSchedule;

interface Range {
  readonly min: number;
  readonly max: number;
  /** Words for numbers, from `min` on. */
  readonly names: readonly string[];
}

const MINUTES: Range = { min: 0, max: 59, names: [] };
const HOURS: Range = { min: 0, max: 23, names: [] };
const DAYS_OF_MONTH: Range = { min: 1, max: 31, names: [] };
const MONTHS: Range = {
  min: 1,
  max: 12,
  names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const DAYS_OF_WEEK: Range = { min: 0, max: 6, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

const DESCRIPTORS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** The schedule that a text means, or what is wrong with the text. Zones in the text are not known here. */
export function parseCronSchedule(text: string): CronSchedule | string {
  if (text.startsWith("@every ")) return parseInterval(text);
  const spelled = text.startsWith("@") ? DESCRIPTORS[text] : text;
  if (spelled === undefined) return `unrecognized descriptor: ${text}`;
  if (spelled === "") return "empty spec string";
  const fields = spelled.split(/\s+/).filter((field) => field !== "");
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`;
  const ranges = [MINUTES, HOURS, DAYS_OF_MONTH, MONTHS, DAYS_OF_WEEK];
  const parsed: ParsedField[] = [];
  for (const [index, range] of ranges.entries()) {
    const field = parseField(fields[index]!, range);
    if (typeof field === "string") return field;
    parsed.push(field);
  }
  const [minutes, hours, daysOfMonth, months, daysOfWeek] = parsed as [
    ParsedField,
    ParsedField,
    ParsedField,
    ParsedField,
    ParsedField,
  ];
  return {
    type: "calendar",
    minutes: minutes.values,
    hours: hours.values,
    daysOfMonth: daysOfMonth.values,
    months: months.values,
    daysOfWeek: daysOfWeek.values,
    eitherDay: !daysOfMonth.isAny && !daysOfWeek.isAny,
  };
}

interface ParsedField {
  readonly values: ReadonlySet<number>;
  /** Written as `*`, in one of its parts and without a step. */
  readonly isAny: boolean;
}

function parseField(field: string, range: Range): ParsedField | string {
  const values = new Set<number>();
  let isAny = false;
  for (const part of field.split(",").filter((one) => one !== "")) {
    const parsed = parsePart(part, range);
    if (typeof parsed === "string") return parsed;
    for (let value = parsed.start; value <= parsed.end; value += parsed.step) values.add(value);
    isAny ||= parsed.isAny;
  }
  return { values, isAny };
}

function parsePart(part: string, range: Range): { start: number; end: number; step: number; isAny: boolean } | string {
  const [span = "", stepText, ...moreSlashes] = part.split("/");
  const [low = "", high, ...moreHyphens] = span.split("-");
  if (moreSlashes.length > 0) return `too many slashes: ${part}`;
  const isStar = low === "*" || low === "?";
  if (!isStar && moreHyphens.length > 0) return `too many hyphens: ${part}`;
  const start = isStar ? range.min : parseNumberOrName(low, range);
  if (typeof start === "string") return start;
  let end = isStar ? range.max : high === undefined ? start : parseNumberOrName(high, range);
  if (typeof end === "string") return end;
  const step = stepText === undefined ? 1 : parseNumber(stepText);
  if (typeof step === "string") return step;
  // `5/15` is from 5 to the end.
  if (stepText !== undefined && high === undefined) end = range.max;
  if (start < range.min) return `beginning of range (${start}) below minimum (${range.min}): ${part}`;
  if (end > range.max) return `end of range (${end}) above maximum (${range.max}): ${part}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`;
  if (step === 0) return `step of range should be a positive number: ${part}`;
  return { start, end, step, isAny: isStar && step === 1 };
}

function parseNumberOrName(text: string, { min, names }: Range): number | string {
  const index = names.indexOf(text.toLowerCase());
  return index === -1 ? parseNumber(text) : min + index;
}

function parseNumber(text: string): number | string {
  if (!/^[+-]?\d{1,9}$/.test(text))
    return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
  const value = Number(text);
  return value < 0 ? `negative number (${value}) not allowed: ${text}` : value;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
// Go's durations end here; a longer one would be no schedule either.
const MAX_DURATION_MS = 2 ** 63 / 1e6;

/** `@every 1h30m`: a duration as Go writes it. */
function parseInterval(text: string): IntervalSchedule | string {
  const duration = text.slice("@every ".length);
  const problem = `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(duration)}`;
  const [, sign, parts] = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(duration) ?? [];
  if (parts === undefined) return problem;
  let ms = 0;
  for (const [, amount, unit] of parts.matchAll(/([\d.]+)([a-zµμ]+)/g)) ms += Number(amount) * UNITS_MS[unit!]!;
  if (ms > MAX_DURATION_MS) return problem;
  const seconds = sign === "-" ? 1 : Math.max(1, Math.floor(ms / 1000));
  return { type: "interval", everyMs: seconds * 1000 };
}
