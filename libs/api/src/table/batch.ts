import type { CronJob, Job } from "../kinds.ts";
import { parseTime } from "../time.ts";
import { humanAge, humanDuration } from "./age.ts";
import { AGE, type ColumnOf, NAME, count, printer, text } from "./column.ts";
import { TEMPLATE } from "./workloads.ts";

function jobState({ metadata, status }: Job): string {
  const holds = (type: string): boolean =>
    status?.conditions?.some((one) => one.type === type && one.status === "True") ?? false;
  if (holds("Complete")) return "Complete";
  if (holds("Failed")) return "Failed";
  if (metadata.deletionTimestamp !== undefined) return "Terminating";
  if (holds("Suspended")) return "Suspended";
  if (holds("FailureTarget")) return "FailureTarget";
  if (holds("SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const { parallelism = 0 } = spec;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function duration({ status }: Job, now: number): string {
  const start = status?.startTime === undefined ? undefined : parseTime(status.startTime);
  if (start === undefined) return "";
  const failed = status?.conditions?.find((one) => one.type === "Failed" && one.status === "True");
  const ended = status?.completionTime ?? failed?.lastTransitionTime;
  return humanDuration((ended === undefined ? now : (parseTime(ended) ?? now)) - start);
}

/** Prints Jobs. */
export const jobPrinter = printer<Job>([
  NAME,
  text("Status", "Running, Complete, Failed or Suspended.", jobState),
  text("Completions", "Pods that succeeded, of those wanted.", completions),
  text("Duration", "From its start to its end, or until now.", duration),
  AGE,
  ...TEMPLATE,
]);

/** The wide columns are those of a workload, whose template lies one level deeper. */
const JOB_TEMPLATE: readonly ColumnOf<CronJob>[] = TEMPLATE.map((column) => ({
  ...column,
  cell: ({ spec }: CronJob, now: number) => column.cell(spec.jobTemplate, now),
}));

/** Prints CronJobs. */
export const cronJobPrinter = printer<CronJob>([
  NAME,
  text("Schedule", "When its Jobs start.", ({ spec }: CronJob) => spec.schedule),
  text("Timezone", "The zone of the schedule.", ({ spec }: CronJob) => spec.timeZone ?? "<none>"),
  text("Suspend", "Whether it makes no Jobs now.", ({ spec }: CronJob) => (spec.suspend === true ? "True" : "False")),
  count("Active", "Jobs that run now.", ({ status }: CronJob) => status?.active?.length ?? 0),
  text("Last Schedule", "Time since the start of its last Job was due.", ({ status }: CronJob, now) =>
    status?.lastScheduleTime === undefined ? "<none>" : humanAge(status.lastScheduleTime, now),
  ),
  AGE,
  ...JOB_TEMPLATE,
]);
