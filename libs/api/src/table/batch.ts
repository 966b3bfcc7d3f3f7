import type { Job } from "../kinds.ts";
import { parseTime } from "../time.ts";
import { humanDuration } from "./age.ts";
import { AGE, NAME, printer, text } from "./column.ts";
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
