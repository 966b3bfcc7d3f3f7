import { JOBS, type Job, type JobCondition, type Pod, splitKey } from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import { type ControllerContext, type Outcome, type ReconcilerSpec, claimable } from "../context.ts";
import { controllerReference, isLost, withKind } from "../ownership.ts";
import { inParallel, slowStart } from "../parallel.ts";
import { UNSETTLED_REQUEUE_MS, createPodControl } from "../pod-control.ts";
import { podFromTemplate } from "../replicaset/pod-from-template.ts";
import { INDEX_KEY, type JobDecision, decideJob } from "./decide.ts";

/** Runs pods until as many have succeeded as each Job asks for, or too many have failed. */
export function createJobController(context: ControllerContext, jobs: Informer<Job>): ReconcilerSpec {
  const { client, caches, clock, prng, events } = context;
  const control = createPodControl(context, {
    resource: JOBS,
    informer: jobs,
    selectorOf: ({ spec }) => spec.selector,
  });

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const job = jobs.get(namespace, name);
    if (job === undefined) {
      control.forget(key);
      return;
    }
    if (!control.isSettled(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const lost = (node: string): boolean => isLost(caches.nodes.get("", node));
    const decision = decideJob({ job, pods: claimable(caches.pods, job), isLost: lost }, clock.now());
    const failure = await act(key, job, decision);
    await control.writeStatus(key, job, decision.status);
    tell(job, decision);
    if (failure !== undefined) throw failure;
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: decision.requeueAfterMs };
  }

  async function act(key: string, job: Job, { actions }: JobDecision): Promise<Error | undefined> {
    const doomed: Pod[] = [];
    let failure: Error | undefined;
    for (const action of actions) {
      switch (action.type) {
        case "adopt":
          await control.adopt(key, job, action.pod);
          break;
        case "release":
          await control.release(key, job, action.pod);
          break;
        case "create":
          failure = await create(key, job, action.indexes);
          break;
        case "delete":
          doomed.push(action.pod);
          break;
        case "expire":
          await expire(job);
          break;
      }
    }
    const [error] = await inParallel(doomed, (pod) => control.delete(key, job, pod));
    return failure ?? error;
  }

  async function create(key: string, job: Job, indexes: readonly (number | undefined)[]): Promise<Error | undefined> {
    const waiting = indexes.values();
    const [error] = await slowStart(indexes.length, async () => {
      await control.create(key, job, podOf(job, waiting.next().value));
    });
    return error !== undefined && control.failedToCreate(job, error) ? error : undefined;
  }

  function podOf(job: Job, index: number | undefined): Pod {
    const { name, namespace = "" } = job.metadata;
    const reference = controllerReference(JOBS, job);
    if (index === undefined) return podFromTemplate({ name, namespace, reference }, job.spec.template, prng);
    const pod = podFromTemplate({ name: `${name}-${index}`, namespace, reference }, job.spec.template, prng);
    const mark = { [INDEX_KEY]: String(index) };
    const env = { name: "JOB_COMPLETION_INDEX", value: String(index) };
    const withIndex = <C extends { env?: { name: string }[] }>(container: C): C => ({
      ...container,
      env: [...(container.env ?? []).filter((one) => one.name !== env.name), env],
    });
    const { initContainers, containers } = pod.spec;
    return {
      ...pod,
      metadata: {
        ...pod.metadata,
        labels: { ...pod.metadata.labels, ...mark },
        annotations: { ...pod.metadata.annotations, ...mark },
      },
      spec: {
        ...pod.spec,
        hostname: `${name}-${index}`,
        containers: containers.map(withIndex),
        ...(initContainers === undefined ? {} : { initContainers: initContainers.map(withIndex) }),
      },
    };
  }

  async function expire({ metadata: { name, namespace, uid } }: Job): Promise<void> {
    try {
      const preconditions = uid === undefined ? {} : { uid };
      await client.resource<Job>(JOBS, namespace).delete(name, { preconditions, propagationPolicy: "Background" });
    } catch (thrown) {
      if (!hasCode(thrown, "NotFound") && !hasCode(thrown, "Conflict")) throw thrown;
    }
  }

  /** Tells what has become of the Job, once: when the status that says so was written. */
  function tell(job: Job, { status }: JobDecision): void {
    const before = new Set(job.status?.conditions?.map(word));
    for (const one of status.conditions ?? []) {
      if (before.has(word(one))) continue;
      const object = withKind(JOBS, job);
      if (one.type === "Complete") events.normal(object, "Completed", "Job completed");
      else if (one.type === "Failed") events.warning(object, one.reason ?? "Failed", one.message ?? "");
      else if (one.type === "Suspended") {
        events.normal(object, one.status === "True" ? "Suspended" : "Resumed", one.message ?? "");
      }
    }
  }

  return { name: "job", workers: 8, watch: control.watch, reconcile };
}

function word(condition: JobCondition): string {
  return `${condition.type}=${condition.status}`;
}
