import type { Job, JobCondition, JobStatus, Pod } from "@trireme/api";
import { claim, isActive, isFinished, isReady } from "../ownership.ts";
import { rankForDeletion } from "../replicaset/rank.ts";
import { toTime } from "../times.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";

// Kubernetes' burst: one reconcile creates at most so many pods, the next one goes on.
const MAX_CREATES_PER_RECONCILE = 500;
// Kubernetes' pace of new pods after failed ones: doubled by each failure since the last success.
const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;

/** The index of a pod of an Indexed Job, as an annotation and a label. */
export const INDEX_KEY = "batch.kubernetes.io/job-completion-index";
/** The value of `managedBy` that means us. */
const OURSELVES = "kubernetes.io/job-controller";

/** What a Job's reconciler sees: caches that show all of its own writes. */
export interface JobObserved {
  readonly job: Job;
  /** The namespace's pods that the Job selects or owns; others do no harm. */
  readonly pods: readonly Pod[];
  /** Whether a node has fallen silent. */
  readonly isLost: (node: string) => boolean;
}

/** One thing to do. */
export type JobAction =
  | { readonly type: "adopt" | "release" | "delete"; readonly pod: Pod }
  /** Pods to create: one for each entry, which is its index in an Indexed Job. */
  | { readonly type: "create"; readonly indexes: readonly (number | undefined)[] }
  /** The Job has been finished for its ttlSecondsAfterFinished. */
  | { readonly type: "expire" };

/** The outcome of one look. */
export interface JobDecision {
  readonly actions: readonly JobAction[];
  readonly status: JobStatus;
  readonly requeueAfterMs?: number;
}

/** What to do for one Job. */
export function decideJob(observed: JobObserved, now: number): JobDecision {
  const { job } = observed;
  const status = job.status ?? {};
  if (job.spec.selector === undefined || (job.spec.managedBy ?? OURSELVES) !== OURSELVES)
    return { actions: [], status };
  if (finishTime(job) !== undefined) return decideFinished(job, status, now);
  const { owned, adopt, release } = claim(job, job.spec.selector, observed.pods);
  const pods = [...owned, ...adopt];
  const counts = countPods(job, pods, observed.isLost);
  const claims: JobAction[] = [
    ...adopt.map((pod) => ({ type: "adopt" as const, pod })),
    ...release.map((pod) => ({ type: "release" as const, pod })),
  ];
  if (job.metadata.deletionTimestamp !== undefined) return { actions: claims, status: statusOf(job, counts, {}) };
  const end = verdict(job, counts, now);
  if (end !== undefined) {
    const doomed = counts.active.map((pod) => ({ type: "delete" as const, pod }));
    // The word is spoken at once, and final when the last pod has gone.
    const isOver = counts.active.length + counts.terminating === 0;
    const conditions = ending(status.conditions ?? [], end, isOver, now);
    const completionTime = isOver && end.type === "Complete" ? { completionTime: toTime(now) } : {};
    return { actions: [...claims, ...doomed], status: statusOf(job, counts, { conditions, now, ...completionTime }) };
  }
  if (job.spec.suspend === true) {
    const doomed = counts.active.map((pod) => ({ type: "delete" as const, pod }));
    const conditions = suspension(status.conditions ?? [], true, now);
    return { actions: [...claims, ...doomed], status: statusOf(job, counts, { conditions }) };
  }
  const { actions, requeueAfterMs } = balance(job, counts, pods, now);
  const conditions = suspension(status.conditions ?? [], false, now);
  const next = statusOf(job, counts, { conditions, now });
  const deadline = msToDeadline(job, next.startTime, now);
  const wait = Math.min(requeueAfterMs ?? Infinity, deadline ?? Infinity);
  return {
    actions: [...claims, ...actions],
    status: next,
    ...(wait === Infinity ? {} : { requeueAfterMs: Math.max(wait, 1) }),
  };
}

interface Counts {
  readonly active: readonly Pod[];
  readonly ready: number;
  readonly terminating: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly completed: ReadonlySet<number>;
}

/**
 * Counts never go back: a pod that was counted may be gone. A pod that replaces one may then not count, which runs it
 * once more; a Job promises no less than that.
 */
function countPods(job: Job, pods: readonly Pod[], isLost: (node: string) => boolean): Counts {
  const { status } = job;
  const active = pods.filter(isActive);
  const succeeded = pods.filter((pod) => pod.status?.phase === "Succeeded");
  const failed = pods.filter((pod) => pod.status?.phase === "Failed").length;
  const completed = parseIndexes(status?.completedIndexes);
  for (const pod of isIndexed(job) ? succeeded : []) {
    const index = indexOf(pod);
    if (index !== undefined && index < (job.spec.completions ?? 0)) completed.add(index);
  }
  return {
    active,
    ready: active.filter((pod) => isReady(pod) && !isLost(pod.spec.nodeName ?? "")).length,
    terminating: pods.filter((pod) => !isFinished(pod) && pod.metadata.deletionTimestamp !== undefined).length,
    succeeded: isIndexed(job) ? completed.size : Math.max(status?.succeeded ?? 0, succeeded.length),
    failed: Math.max(status?.failed ?? 0, failed),
    completed,
  };
}

interface Verdict {
  readonly type: "Complete" | "Failed";
  readonly reason: string;
  readonly message: string;
}

/** How the Job ends, if it is to end now. A word once spoken stays. */
function verdict(job: Job, counts: Counts, now: number): Verdict | undefined {
  const said = (type: string): JobCondition | undefined =>
    job.status?.conditions?.find((one) => one.type === type && one.status === "True");
  const target = said("FailureTarget");
  if (target !== undefined) {
    return { type: "Failed", reason: target.reason ?? "", message: target.message ?? "" };
  }
  if (said("SuccessCriteriaMet") !== undefined || isComplete(job, counts)) {
    const message = "Reached expected number of succeeded pods";
    return { type: "Complete", reason: "CompletionsReached", message };
  }
  if (counts.failed > (job.spec.backoffLimit ?? 6) || hasRestartedTooOften(job, counts.active)) {
    const message = "Job has reached the specified backoff limit";
    return { type: "Failed", reason: "BackoffLimitExceeded", message };
  }
  const left = job.spec.suspend === true ? undefined : msToDeadline(job, job.status?.startTime, now);
  if (left !== undefined && left <= 0) {
    const message = "Job was active longer than specified deadline";
    return { type: "Failed", reason: "DeadlineExceeded", message };
  }
  return undefined;
}

function isComplete({ spec }: Job, { succeeded, active }: Counts): boolean {
  // A work queue is done when one pod says so and the others have come to their end as well.
  if (spec.completions === undefined) return succeeded > 0 && active.length === 0;
  return succeeded >= spec.completions;
}

/** Containers that start again in their pod count against the limit as well. */
function hasRestartedTooOften({ spec }: Job, active: readonly Pod[]): boolean {
  if (spec.template.spec.restartPolicy !== "OnFailure") return false;
  const { backoffLimit = 6 } = spec;
  const restarts = active
    .flatMap((pod) => [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])])
    .reduce((sum, container) => sum + container.restartCount, 0);
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit;
}

/** Pods to create or delete so that as many run as there should. */
function balance(
  job: Job,
  counts: Counts,
  pods: readonly Pod[],
  now: number,
): { actions: JobAction[]; requeueAfterMs?: number } {
  const wanted = wantedActive(job, counts);
  const surplus = counts.active.length - wanted;
  if (surplus > 0) {
    const doomed = rankForDeletion(counts.active, []).slice(0, surplus);
    return { actions: doomed.map((pod) => ({ type: "delete", pod })) };
  }
  const inTheWay = job.spec.podReplacementPolicy === "Failed" ? counts.terminating : 0;
  const missing = Math.min(-surplus - inTheWay, MAX_CREATES_PER_RECONCILE);
  if (missing <= 0) return { actions: [] };
  const wait = msOfBackoff(pods, now);
  if (wait > 0) return { actions: [], requeueAfterMs: wait };
  const indexes = isIndexed(job) ? freeIndexes(job, counts, missing) : Array.from({ length: missing }, () => undefined);
  return { actions: indexes.length === 0 ? [] : [{ type: "create", indexes }] };
}

function wantedActive({ spec }: Job, { succeeded, active }: Counts): number {
  const { parallelism = 1, completions } = spec;
  if (completions !== undefined) return Math.min(parallelism, Math.max(0, completions - succeeded));
  return succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
}

function freeIndexes({ spec }: Job, { active, completed }: Counts, count: number): number[] {
  const taken = new Set(active.map(indexOf));
  const free: number[] = [];
  for (let index = 0; index < (spec.completions ?? 0) && free.length < count; index++) {
    if (!taken.has(index) && !completed.has(index)) free.push(index);
  }
  return free;
}

/** How long new pods still have to wait for the sake of those that failed. */
function msOfBackoff(pods: readonly Pod[], now: number): number {
  const ended = (phase: string): number[] => pods.filter((pod) => pod.status?.phase === phase).map(podFinishTime);
  const lastSuccess = Math.max(-Infinity, ...ended("Succeeded"));
  const failures = ended("Failed").filter((time) => time > lastSuccess);
  if (failures.length === 0) return 0;
  const delay = Math.min(FIRST_BACKOFF_MS * 2 ** (failures.length - 1), MAX_BACKOFF_MS);
  return Math.max(...failures) + delay - now;
}

function podFinishTime(pod: Pod): number {
  const times = (pod.status?.containerStatuses ?? [])
    .map(({ state }) => state?.terminated?.finishedAt)
    .filter((time) => time !== undefined)
    .map((time) => Date.parse(time));
  return times.length > 0 ? Math.max(...times) : Date.parse(pod.metadata.creationTimestamp ?? "1970-01-01T00:00:00Z");
}

function decideFinished(job: Job, status: JobStatus, now: number): JobDecision {
  const ttl = job.spec.ttlSecondsAfterFinished;
  if (ttl === undefined || job.metadata.deletionTimestamp !== undefined) return { actions: [], status };
  const left = finishTime(job)! + ttl * 1000 - now;
  return left > 0 ? { actions: [], status, requeueAfterMs: left } : { actions: [{ type: "expire" }], status };
}

/** When the Job ended, if it has. */
export function finishTime({ status }: Job): number | undefined {
  const end = status?.conditions?.find(
    ({ type, status: holds }) => (type === "Complete" || type === "Failed") && holds === "True",
  );
  return end === undefined ? undefined : Date.parse(end.lastTransitionTime ?? "1970-01-01T00:00:00Z");
}

function msToDeadline({ spec }: Job, startTime: string | undefined, now: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || startTime === undefined) return undefined;
  return Date.parse(startTime) + spec.activeDeadlineSeconds * 1000 - now;
}

function ending(conditions: readonly JobCondition[], end: Verdict, isOver: boolean, now: number): JobCondition[] {
  const announced = end.type === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
  const types = isOver ? [announced, end.type] : [announced];
  const fresh = types.filter((type) => !conditions.some((one) => one.type === type && one.status === "True"));
  const { reason, message } = end;
  return [...conditions, ...fresh.map((type) => condition(type, "True", reason, message, now))];
}

function suspension(conditions: readonly JobCondition[], isSuspended: boolean, now: number): readonly JobCondition[] {
  const before = conditions.find((one) => one.type === "Suspended");
  const status = isSuspended ? "True" : "False";
  if (before?.status === status || (before === undefined && !isSuspended)) return conditions;
  const others = conditions.filter((one) => one !== before);
  const [reason, message] = isSuspended ? ["JobSuspended", "Job suspended"] : ["JobResumed", "Job resumed"];
  return [...others, condition("Suspended", status, reason!, message!, now)];
}

function condition(type: string, status: string, reason: string, message: string, now: number): JobCondition {
  const time = toTime(now);
  return { type, status, reason, message, lastProbeTime: time, lastTransitionTime: time };
}

/** `now` is given while the Job runs: from then on it has a start. */
function statusOf(
  job: Job,
  counts: Counts,
  set: { conditions?: readonly JobCondition[]; now?: number; completionTime?: string },
): JobStatus {
  const conditions = set.conditions ?? job.status?.conditions;
  const startTime = set.now === undefined ? undefined : (job.status?.startTime ?? toTime(set.now));
  const completed = formatIndexes(counts.completed);
  return {
    ...(conditions === undefined ? {} : { conditions: [...conditions] }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(set.completionTime === undefined ? {} : { completionTime: set.completionTime }),
    ...(counts.active.length === 0 ? {} : { active: counts.active.length }),
    ...(counts.succeeded === 0 ? {} : { succeeded: counts.succeeded }),
    ...(counts.failed === 0 ? {} : { failed: counts.failed }),
    ...(completed === "" ? {} : { completedIndexes: completed }),
    ready: counts.ready,
    terminating: counts.terminating,
    uncountedTerminatedPods: {},
  };
}

function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === "Indexed";
}

function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[INDEX_KEY];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
