import {
  HORIZONTALPODAUTOSCALERS,
  type HorizontalPodAutoscaler,
  type KubeObject,
  type Resource,
  type Scale,
  apiVersionOf,
  parseLabelSelector,
  requirementsMatch,
  resourceForKind,
  splitKey,
} from "@trireme/api";
import { TriremeError, errorFrom, hasCode } from "@trireme/base";
import type { SampleBook } from "@trireme/bus";
import type { Informer } from "@trireme/controller";
import { canonical } from "../canonical.ts";
import type { ControllerContext, Outcome, ReconcilerSpec } from "../context.ts";
import { withKind } from "../ownership.ts";
import { type History, NO_HISTORY, scaled } from "./behavior.ts";
import { decideAutoscaler, unscalable } from "./decide.ts";

/** Between two looks at one autoscaler: samples come every two seconds, and a busy pod should not wait long. */
const SYNC_MS = 3_000;

/** Measurements alone are written to the status no more often than this: they change all the time. */
const METRICS_WRITE_MS = 15_000;

/** What the autoscaler needs besides the shared context. */
export interface AutoscalerOptions {
  readonly autoscalers: Informer<HorizontalPodAutoscaler>;
  readonly samples: SampleBook;
}

interface Memory {
  uid: string | undefined;
  history: History;
  /** When the status was last written, by the monotonic clock. */
  writtenMs: number;
}

/** Sets the size of workloads so that what their pods use stays near what autoscalers ask for. */
export function createAutoscalerController(context: ControllerContext, options: AutoscalerOptions): ReconcilerSpec {
  const { client, caches, clock, events } = context;
  const { autoscalers, samples } = options;
  const memories = new Map<string, Memory>();

  function watch(enqueue: (key: string) => void): () => void {
    return autoscalers.onChange(({ key, object, old, type }) => {
      // Our own status writes need no second look: the next one is due soon enough.
      if (type !== "modified" || canonical(old?.spec) !== canonical(object.spec)) enqueue(key);
    });
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const autoscaler = autoscalers.get(namespace, name);
    if (autoscaler === undefined || autoscaler.metadata.deletionTimestamp !== undefined) {
      memories.delete(key);
      return;
    }
    const memory = memoryOf(key, autoscaler);
    const target = autoscaler.spec.scaleTargetRef;
    const now = clock.now();
    let scale: Scale;
    let resource: Resource;
    try {
      resource = scalable(target.apiVersion ?? "", target.kind);
      scale = (await client.resource(resource, namespace).subresource("GET", target.name, "scale")) as Scale;
    } catch (thrown) {
      if (hasCode(thrown, "Fenced")) throw thrown;
      const { message } = errorFrom(thrown);
      tellFailure(autoscaler, "FailedGetScale", message);
      await writeStatus(autoscaler, unscalable(autoscaler, message, now), memory);
      return { requeueAfterMs: SYNC_MS };
    }
    const wanted = scale.spec.replicas ?? 0;
    const pods = selected(namespace, scale.status?.selector ?? "");
    const present = scale.status?.replicas ?? 0;
    const decision = decideAutoscaler({ autoscaler, wanted, present, pods, history: memory.history }, now);
    memory.history = decision.history;
    const self = withKind(HORIZONTALPODAUTOSCALERS, autoscaler);
    if (decision.failure !== undefined) tellFailure(autoscaler, decision.failure.reason, decision.failure.message);
    if (decision.replicas !== undefined) {
      const { replicas } = decision;
      // The version read is the precondition: whoever scaled meanwhile is asked about again.
      const body = { ...scale, spec: { replicas } };
      await client.resource(resource, namespace).subresource("PUT", target.name, "scale", body);
      memory.history = scaled(memory.history, wanted, replicas, now);
      events.normal(self, "SuccessfulRescale", `New size: ${replicas}; reason: ${decision.reason}`);
    }
    await writeStatus(autoscaler, decision.status, memory);
    return { requeueAfterMs: SYNC_MS };
  }

  /** Once when it begins; from then on the condition says it. */
  function tellFailure(autoscaler: HorizontalPodAutoscaler, reason: string, message: string): void {
    if (autoscaler.status?.conditions?.some((condition) => condition.reason === reason)) return;
    events.warning(withKind(HORIZONTALPODAUTOSCALERS, autoscaler), reason, message);
  }

  function memoryOf(key: string, { metadata }: KubeObject): Memory {
    const known = memories.get(key);
    if (known !== undefined && known.uid === metadata.uid) return known;
    const memory = { uid: metadata.uid, history: NO_HISTORY, writtenMs: -Infinity };
    memories.set(key, memory);
    return memory;
  }

  function selected(namespace: string, selector: string) {
    // An empty selector would be every pod of the namespace, which no workload means.
    if (selector === "") return [];
    const requirements = parseLabelSelector(selector);
    return caches.pods
      .list(namespace)
      .filter((pod) => requirementsMatch(requirements, pod.metadata.labels) && pod.status?.phase !== "Succeeded")
      .map((pod) => ({ pod, usage: samples.pod(pod.spec.nodeName ?? "", namespace, pod.metadata.name) }));
  }

  async function writeStatus(
    autoscaler: HorizontalPodAutoscaler,
    status: NonNullable<HorizontalPodAutoscaler["status"]>,
    memory: Memory,
  ): Promise<void> {
    if (canonical(status) === canonical(autoscaler.status)) return;
    const isDue = clock.monotonic() - memory.writtenMs >= METRICS_WRITE_MS;
    if (!isDue && canonical(lasting(status)) === canonical(lasting(autoscaler.status))) return;
    const { resourceVersion: _, ...metadata } = autoscaler.metadata;
    const written = { ...withKind(HORIZONTALPODAUTOSCALERS, autoscaler), metadata, status };
    await client
      .resource<HorizontalPodAutoscaler>(HORIZONTALPODAUTOSCALERS, metadata.namespace ?? "")
      .updateStatus(written as HorizontalPodAutoscaler);
    memory.writtenMs = clock.monotonic();
  }

  return { name: "horizontalpodautoscaler", workers: 2, watch, reconcile };
}

/** The part of a status that does not change with every sample. */
function lasting(status: HorizontalPodAutoscaler["status"]): unknown {
  if (status === undefined) return undefined;
  const { currentMetrics, ...rest } = status;
  const conditions = rest.conditions?.map(({ type, status: is, reason }) => ({ type, is, reason }));
  return { ...rest, conditions, measured: currentMetrics?.length };
}

function scalable(apiVersion: string, kind: string): Resource {
  const resource = resourceForKind(apiVersion, kind);
  if (resource?.subresources.some(({ name }) => name === "scale")) return resource;
  const what =
    resource === undefined ? `${kind} of ${apiVersion || "no version"}` : `${kind} of ${apiVersionOf(resource)}`;
  throw new TriremeError("BadRequest", `no matches for kind with a scale: ${what}`);
}
