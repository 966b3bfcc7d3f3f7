import {
  type KubeObject,
  PODDISRUPTIONBUDGETS,
  type Pod,
  type PodDisruptionBudget,
  type PodDisruptionBudgetStatus,
  groupResource,
  labelSelectorMatches,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { Compare, TxnOp } from "@trireme/store-client";
import { decodeObject, encodeObject } from "../storage/codec.ts";
import { keyOfObject } from "../storage/keys.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import { rfc3339 } from "./metadata.ts";
import type { Observed } from "./object-store.ts";

/** Kubernetes' bound: so many evictions that the controller has not confirmed mean that it does not run. */
const MAX_DISRUPTED_PODS = 2000;
/** The controller looks within milliseconds; Kubernetes tells clients to come back after this. */
const RETRY_AFTER_SECONDS = 10;

/** An eviction that may happen: the pod as it is to be ended, and what goes into the same transaction. */
export interface Permit {
  readonly pod: Pod;
  readonly believes: readonly Compare[];
  readonly also: readonly TxnOp[];
}

/**
 * Asks the budgets of a pod's namespace whether it may be evicted; takes one disruption off the budget that covers it, in
 * the transaction that ends the pod. Throws TooManyRequests when the budget does not allow it. Pure: `observed` holds
 * budgets as an earlier attempt found them.
 */
export function permitEviction(pod: Pod, budgets: readonly StoredObject[], observed: Observed, nowMs: number): Permit {
  const evicted = withDisruptionTarget(pod, nowMs);
  if (isBeyondBudgets(pod)) return { pod: evicted, believes: [], also: [] };
  const covering = budgets
    .flatMap((budget) => newest(budget, observed) ?? [])
    .filter(({ object }) => covers(object, pod));
  if (covering.length > 1) {
    const message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    throw new TriremeError("InternalError", message);
  }
  const [budget] = covering;
  if (budget === undefined) return { pod: evicted, believes: [], also: [] };
  const { key, object, revision } = budget;
  const believes: Compare[] = [{ key, target: "mod", result: "=", value: revision }];
  if (!isReady(pod) && mayGoUnhealthy(object)) return { pod: evicted, believes, also: [] };
  const status = disrupted(object, pod.metadata.name, nowMs);
  return { pod: evicted, believes, also: [{ put: { key, value: encodeObject({ ...object, status } as KubeObject) } }] };
}

interface Budget {
  readonly key: string;
  readonly object: PodDisruptionBudget;
  readonly revision: number;
}

function newest({ object, revision }: StoredObject, observed: Observed): Budget | undefined {
  const { namespace, name } = object.metadata;
  const key = keyOfObject(PODDISRUPTIONBUDGETS, namespace, name);
  if (!observed.has(key)) return { key, object: object as PodDisruptionBudget, revision };
  const found = observed.get(key);
  if (found === undefined) return undefined;
  const now = decodeObject(found.value, found.modRevision) as PodDisruptionBudget;
  return { key, object: now, revision: found.modRevision };
}

function covers({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  // Kubernetes' rule: pods without labels are nobody's.
  return Object.keys(metadata.labels ?? {}).length > 0 && labelSelectorMatches(spec?.selector, metadata.labels);
}

/** What does not serve, or no longer, is no loss. */
function isBeyondBudgets({ metadata, status }: Pod): boolean {
  const phase = status?.phase ?? "Pending";
  return phase !== "Running" || metadata.deletionTimestamp !== undefined;
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}

function mayGoUnhealthy({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/** The status of a budget that allows this pod's eviction. Throws when it does not. */
function disrupted({ metadata, status }: PodDisruptionBudget, pod: string, nowMs: number): PodDisruptionBudgetStatus {
  const { name, generation = 0 } = metadata;
  if (status === undefined || (status.observedGeneration ?? 0) < generation) {
    const message = `The disruption budget ${name} is still being processed by the server.`;
    throw refusal(message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }
  const { disruptionsAllowed = 0, disruptedPods = {}, currentHealthy = 0, desiredHealthy = 0 } = status;
  if (Object.keys(disruptedPods).length > MAX_DISRUPTED_PODS) {
    throw new TriremeError(
      "Forbidden",
      `${groupResource(PODDISRUPTIONBUDGETS)} "${name}" is forbidden: DisruptedPods map too big - too many evictions not confirmed by PDB controller`,
    );
  }
  if (disruptionsAllowed <= 0) {
    throw refusal(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  const left = disruptionsAllowed - 1;
  const conditions = status.conditions?.map((one) => {
    if (left > 0 || one.type !== "DisruptionAllowed" || one.status === "False") return one;
    return { ...one, status: "False", reason: "InsufficientPods", lastTransitionTime: rfc3339(nowMs) };
  });
  return {
    ...status,
    ...(conditions === undefined ? {} : { conditions }),
    disruptionsAllowed: left,
    // The controller counts the pod as gone until its own copy shows that it ends.
    disruptedPods: { ...disruptedPods, [pod]: rfc3339(nowMs) },
  };
}

function refusal(why: string, more: { readonly retryAfterSeconds?: number } = {}): TriremeError {
  const causes = [{ reason: "DisruptionBudget", message: why }];
  return new TriremeError("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: { ...more, causes },
  });
}

/** Says in the pod's own status why it ends. */
function withDisruptionTarget(pod: Pod, nowMs: number): Pod {
  const others = (pod.status?.conditions ?? []).filter((one) => one.type !== "DisruptionTarget");
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
    lastTransitionTime: rfc3339(nowMs),
  };
  return { ...pod, status: { ...pod.status, conditions: [...others, condition] } };
}
