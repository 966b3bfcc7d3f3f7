import {
  type CronJob,
  type CronJobStatus,
  type CronSchedule,
  JOBS,
  type Job,
  type ObjectReference,
  type OffsetAt,
  apiVersionOf,
  formatTime,
  formatTimeIn,
  nextStart,
  parseCronSchedule,
  parseTime,
  passedStarts,
  timeZoneOffsets,
} from "@trireme/api";

/** Kubernetes' annotation of a Job with the time for which it was made. */
const SCHEDULED_TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/** Kubernetes' bound: whoever missed more starts is told, for it may be a clock that is wrong. */
const MAX_MISSED = 100;
/** We look again a little after a start is due, so that a clock which is a little slow finds it due. */
const NEXT_LOOK_MS = 100;

/** What a CronJob's reconciler sees: caches that show all of its own writes. */
export interface CronJobObserved {
  readonly cronJob: CronJob;
  /** The Jobs that it controls. */
  readonly jobs: readonly Job[];
}

/** Something to tell about the CronJob. */
export interface Telling {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** The outcome of one look. */
export interface CronJobDecision {
  readonly tellings: readonly Telling[];
  /** Jobs that make room for `start`, which is not to be created while one of them could not be deleted. */
  readonly replaced: readonly Job[];
  /** The Job to create now, and the time for which it is. */
  readonly start: { readonly job: Job; readonly scheduled: number } | undefined;
  /** Finished Jobs beyond the history limits. */
  readonly outdated: readonly Job[];
  /** The status if no Job is started: see {@link withStarted}. */
  readonly status: CronJobStatus;
  readonly requeueAfterMs: number | undefined;
}

/** What to do for one CronJob, by the rules of Kubernetes' controller. */
export function decideCronJob({ cronJob, jobs }: CronJobObserved, now: number): CronJobDecision {
  const { status, tellings } = review(cronJob, jobs);
  const outdated = outdatedJobs(cronJob, jobs);
  const idle: CronJobDecision = {
    tellings,
    replaced: [],
    start: undefined,
    outdated,
    status,
    requeueAfterMs: undefined,
  };
  if (cronJob.metadata.deletionTimestamp !== undefined || cronJob.spec.suspend === true) return idle;
  const plan = planOf(cronJob);
  const saying = (...more: Telling[]): CronJobDecision => ({ ...idle, tellings: [...tellings, ...more] });
  if ("reason" in plan) return saying(plan);
  const due = dueStart(cronJob, plan, now);
  if ("reason" in due) return saying(due);
  const waiting = { requeueAfterMs: due.requeueAfterMs };
  const { scheduled } = due;
  if (scheduled === undefined) return { ...saying(...due.tellings), ...waiting };
  const isActive = (status.active ?? []).length > 0;
  const policy = cronJob.spec.concurrencyPolicy ?? "Allow";
  // Several starts within one minute share a name: the Job that runs is the one.
  const name = jobName(cronJob, scheduled);
  if (status.active?.some((one) => one.name === name)) return { ...saying(...due.tellings), ...waiting };
  if (policy === "Forbid" && isActive) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    return { ...saying(...due.tellings, { type: "Normal", reason: "JobAlreadyActive", message }), ...waiting };
  }
  const activeUids = new Set(status.active?.map(({ uid }) => uid));
  const replaced = policy === "Replace" ? jobs.filter(({ metadata }) => activeUids.has(metadata.uid)) : [];
  return {
    ...saying(...due.tellings),
    ...waiting,
    replaced,
    start: { job: jobOf(cronJob, name, formatTimeIn(plan.offsetAt, scheduled)), scheduled },
    status: replaced.length === 0 ? status : statusWith(status, []),
  };
}

/** The status once the Job of a decision's `start` is there; it may have been there for a while. */
export function withStarted(status: CronJobStatus, job: Job, scheduled: number): CronJobStatus {
  const active = status.active ?? [];
  const hasEnded = endOf(job.status) !== undefined;
  return {
    ...statusWith(status, hasEnded ? active : [...active, referenceTo(job)]),
    lastScheduleTime: formatTime(scheduled),
  };
}

function referenceTo({ metadata: { name, namespace, uid, resourceVersion } }: Job): ObjectReference {
  return {
    apiVersion: apiVersionOf(JOBS),
    kind: JOBS.kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** What has become of the Jobs since the last look. */
function review(cronJob: CronJob, jobs: readonly Job[]): { status: CronJobStatus; tellings: Telling[] } {
  const before = cronJob.status ?? {};
  const listed = new Map((before.active ?? []).map((one) => [one.uid, one]));
  const tellings: Telling[] = [];
  let { lastSuccessfulTime } = before;
  for (const { metadata, status } of jobs) {
    const isListed = listed.has(metadata.uid);
    const end = endOf(status);
    if (end === undefined && !isListed) {
      const message = `Saw a job that the controller did not create or forgot: ${metadata.name}`;
      tellings.push({ type: "Warning", reason: "UnexpectedJob", message });
    } else if (end !== undefined && isListed) {
      listed.delete(metadata.uid);
      const message = `Saw completed job: ${metadata.name}, condition: ${end}`;
      tellings.push({ type: "Normal", reason: "SawCompletedJob", message });
    }
    const completed = end === "Complete" ? status?.completionTime : undefined;
    if (completed !== undefined && timeOf(completed) > timeOf(lastSuccessfulTime)) lastSuccessfulTime = completed;
  }
  const present = new Set(jobs.map(({ metadata }) => metadata.uid));
  for (const [uid, { name = "" }] of listed) {
    if (present.has(uid)) continue;
    listed.delete(uid);
    tellings.push({ type: "Normal", reason: "MissingJob", message: `Active job went missing: ${name}` });
  }
  const status = statusWith(before, [...listed.values()]);
  return { status: lastSuccessfulTime === undefined ? status : { ...status, lastSuccessfulTime }, tellings };
}

interface Plan {
  readonly schedule: CronSchedule;
  readonly offsetAt: OffsetAt;
}

/** How the starts are to be found, or why they can not: validation let it pass when it knew other zones or words. */
function planOf({ spec: { schedule: text, timeZone = "UTC" } }: CronJob): Plan | Telling {
  const offsetAt = timeZoneOffsets(timeZone);
  if (offsetAt === undefined) {
    const message = `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`;
    return { type: "Warning", reason: "UnknownTimeZone", message };
  }
  const schedule = parseCronSchedule(text);
  if (typeof schedule !== "string") return { schedule, offsetAt };
  const message = `unparseable schedule: ${JSON.stringify(text)} : ${schedule}`;
  return { type: "Warning", reason: "UnparseableSchedule", message };
}

interface Due {
  /** The last start that has come and was not made yet; the ones before it are left out. */
  readonly scheduled: number | undefined;
  readonly tellings: readonly Telling[];
  readonly requeueAfterMs: number;
}

function dueStart({ metadata, spec, status }: CronJob, { schedule, offsetAt }: Plan, now: number): Due | Telling {
  const last = status?.lastScheduleTime ?? metadata.creationTimestamp;
  const after = last === undefined ? now : timeOf(last);
  const { latest, isMore } = passedStarts(schedule, offsetAt, { after, now, limit: MAX_MISSED });
  const next = nextStart(schedule, offsetAt, latest ?? after);
  if (next === undefined) {
    const why = "time difference between two schedules is less than 1 second";
    const message = `invalid schedule schedule: ${spec.schedule} : ${why}`;
    return { type: "Warning", reason: "InvalidSchedule", message };
  }
  const requeueAfterMs = next + NEXT_LOOK_MS - now;
  if (latest === undefined) return { scheduled: undefined, tellings: [], requeueAfterMs };
  const { startingDeadlineSeconds: deadline } = spec;
  // Nothing that came before the deadline is started, or counts as missed.
  const notBefore = deadline === undefined ? -Infinity : now - deadline * 1000;
  if (latest < notBefore) {
    const message = `Missed scheduled time to start a job: ${rfc1123(latest)}`;
    return { scheduled: undefined, tellings: [{ type: "Warning", reason: "MissSchedule", message }], requeueAfterMs };
  }
  const within = { after: Math.max(after, notBefore), now, limit: MAX_MISSED };
  const isTooMany = isMore && passedStarts(schedule, offsetAt, within).isMore;
  const message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
  const tellings: Telling[] = isTooMany ? [{ type: "Warning", reason: "TooManyMissedTimes", message }] : [];
  return { scheduled: latest, tellings, requeueAfterMs };
}

/** One name for each minute: whoever forgot that it made a Job finds it there. */
function jobName({ metadata }: CronJob, scheduled: number): string {
  return `${metadata.name}-${Math.floor(scheduled / 60_000)}`;
}

function jobOf({ metadata, spec: { jobTemplate } }: CronJob, name: string, timestamp: string): Job {
  const { labels, annotations } = jobTemplate.metadata ?? {};
  return {
    metadata: {
      name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, [SCHEDULED_TIMESTAMP]: timestamp },
    },
    spec: jobTemplate.spec,
  };
}

/** The oldest finished Jobs of each kind of end, beyond as many as are to be kept. */
function outdatedJobs({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const beyond = (end: string, limit: number | undefined): Job[] => {
    if (limit === undefined) return [];
    const ended = jobs.filter(({ metadata, status }) => {
      return endOf(status) === end && metadata.deletionTimestamp === undefined;
    });
    return ended.toSorted(byStart).slice(0, Math.max(0, ended.length - limit));
  };
  return [...beyond("Complete", spec.successfulJobsHistoryLimit), ...beyond("Failed", spec.failedJobsHistoryLimit)];
}

function byStart(a: Job, b: Job): number {
  const start = ({ status }: Job): number => (status?.startTime === undefined ? Infinity : timeOf(status.startTime));
  const [left, right] = [start(a), start(b)];
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function endOf(status: Job["status"]): string | undefined {
  const ended = status?.conditions?.find(({ type, status: holds }) => {
    return (type === "Complete" || type === "Failed") && holds === "True";
  });
  return ended?.type;
}

function statusWith(status: CronJobStatus, active: readonly ObjectReference[]): CronJobStatus {
  const { active: _before, ...rest } = status;
  return active.length === 0 ? rest : { ...rest, active: [...active] };
}

function timeOf(text: string | undefined): number {
  return (text === undefined ? undefined : parseTime(text)) ?? -Infinity;
}

/** `Sun, 22 Nov 2026 10:00:00 +0000`. */
function rfc1123(ms: number): string {
  return new Date(ms).toUTCString().replace("GMT", "+0000");
}
