import { CRONJOBS, type CronJob, type CronJobStatus, JOBS, type Job, splitKey } from "@trireme/api";
import { errorFrom, hasCode } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import { canonical } from "../canonical.ts";
import {
  BY_CONTROLLER,
  type ControllerContext,
  type Outcome,
  type ReconcilerSpec,
  controllerKey,
  indexByController,
} from "../context.ts";
import { Expectations } from "../expectations.ts";
import { controllerOf, controllerReference, withKind } from "../ownership.ts";
import { ignoring } from "../parallel.ts";
import { UNSETTLED_REQUEUE_MS } from "../pod-control.ts";
import { type CronJobDecision, decideCronJob, withStarted } from "./decide.ts";

// A timer of a runtime ends here (2^31 - 1 ms); who has longer to wait looks once in between.
const MAX_REQUEUE_MS = 24 * 3_600_000;

/** What the CronJob controller needs besides the shared context. */
export interface CronJobOptions {
  readonly cronJobs: Informer<CronJob>;
  readonly jobs: Informer<Job>;
}

/** Makes a Job each time the schedule of a CronJob says. */
export function createCronJobController(
  { client, caches, clock, events }: ControllerContext,
  { cronJobs, jobs }: CronJobOptions,
): ReconcilerSpec {
  const expectations = new Expectations();
  indexByController(jobs);

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const cronJob = cronJobs.get(namespace, name);
    if (cronJob === undefined) {
      expectations.forget(key);
      return;
    }
    const children = jobs.byIndex(BY_CONTROLLER, cronJob.metadata.uid ?? "");
    const isGone = (uid: string): boolean =>
      children.every(({ metadata }) => metadata.uid !== uid || isDying(metadata));
    if (!expectations.met(key, isGone)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const decision = decideCronJob({ cronJob, jobs: children }, clock.now());
    for (const { type, reason, message } of decision.tellings) {
      events[type === "Normal" ? "normal" : "warning"](withKind(CRONJOBS, cronJob), reason, message);
    }
    for (const job of decision.replaced) await remove(key, cronJob, job);
    await writeStatus(key, cronJob, await start(key, cronJob, decision));
    for (const job of decision.outdated) await remove(key, cronJob, job);
    const { requeueAfterMs } = decision;
    return requeueAfterMs === undefined ? undefined : { requeueAfterMs: Math.min(requeueAfterMs, MAX_REQUEUE_MS) };
  }

  /** Creates the Job that is due, if one is; answers the status after that. */
  async function start(key: string, cronJob: CronJob, { start: due, status }: CronJobDecision): Promise<CronJobStatus> {
    if (due === undefined) return status;
    const self = withKind(CRONJOBS, cronJob);
    const { name, namespace } = due.job.metadata;
    const api = client.resource<Job>(JOBS, namespace);
    const ownerReferences = [controllerReference(CRONJOBS, cronJob)];
    let job: Job;
    try {
      job = await api.create({ ...due.job, metadata: { ...due.job.metadata, ownerReferences } });
      events.normal(self, "SuccessfulCreate", `Created job ${name}`);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code !== "AlreadyExists" && error.code !== "Unknown") {
        const isLeaving = caches.namespaces.get("", namespace ?? "")?.metadata.deletionTimestamp !== undefined;
        if (error.code !== "Fenced" && !isLeaving) {
          events.warning(self, "FailedCreate", `Error creating job: ${error.message}`);
        }
        throw thrown;
      }
      // It was made before, and the word about it lost. A Job of somebody else's by this name is left to them.
      job = await api.get(name);
      if (controllerOf(job)?.uid !== cronJob.metadata.uid) return status;
    }
    expectations.wrote(key, jobs, job);
    return withStarted(status, job, due.scheduled);
  }

  async function remove(key: string, cronJob: CronJob, job: Job): Promise<void> {
    const { name, namespace, uid = "" } = job.metadata;
    const self = withKind(CRONJOBS, cronJob);
    expectations.removing(key, uid);
    try {
      const how = { preconditions: { uid }, propagationPolicy: "Background" } as const;
      await client.resource<Job>(JOBS, namespace).delete(name, how);
      events.normal(self, "SuccessfulDelete", `Deleted job ${name}`);
    } catch (thrown) {
      // NotFound, or a Job of another life: gone is what we wanted. Unknown stays expected: the cache will tell.
      if (hasCode(thrown, "NotFound") || hasCode(thrown, "Conflict")) return;
      if (!hasCode(thrown, "Unknown")) expectations.kept(key, uid);
      if (!hasCode(thrown, "Fenced")) {
        events.warning(self, "FailedDelete", `Deleted job: ${errorFrom(thrown).message}`);
      }
      throw thrown;
    }
  }

  async function writeStatus(key: string, cronJob: CronJob, status: CronJobStatus): Promise<void> {
    if (canonical(status) === canonical(cronJob.status ?? {})) return;
    const api = client.resource<CronJob>(CRONJOBS, cronJob.metadata.namespace);
    const written = await ignoring("NotFound", api.updateStatus({ ...withKind(CRONJOBS, cronJob), status }));
    if (written !== undefined) expectations.wrote(key, cronJobs, written);
  }

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      cronJobs.onChange(({ key }) => enqueue(key)),
      jobs.onChange(({ object }) => {
        const key = controllerKey(object, CRONJOBS);
        if (key !== undefined) enqueue(key);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  return { name: "cronjob", workers: 4, watch, reconcile };
}

function isDying({ deletionTimestamp }: Job["metadata"]): boolean {
  return deletionTimestamp !== undefined;
}
