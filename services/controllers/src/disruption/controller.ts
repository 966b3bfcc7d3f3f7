import {
  DEPLOYMENTS,
  type OwnerReference,
  PODDISRUPTIONBUDGETS,
  PODS,
  type Pod,
  type PodDisruptionBudget,
  REPLICASETS,
  STATEFULSETS,
  type StatefulSet,
  keyOf,
  labelSelectorMatches,
  splitKey,
} from "@trireme/api";
import type { Informer } from "@trireme/controller";
import { canonical } from "../canonical.ts";
import { BY_NODE, type ControllerContext, type Outcome, type ReconcilerSpec } from "../context.ts";
import { controllerOf, isLost, withKind } from "../ownership.ts";
import { ignoring } from "../parallel.ts";
import { type Scale, decideDisruptions } from "./decide.ts";

/** What the disruption controller needs besides the shared context. */
export interface DisruptionOptions {
  readonly budgets: Informer<PodDisruptionBudget>;
  readonly statefulSets: Informer<StatefulSet>;
}

/** Says in each budget how many of its pods may be evicted; the apiserver holds evictions to it. */
export function createDisruptionController(
  { client, caches, clock, events }: ControllerContext,
  { budgets, statefulSets }: DisruptionOptions,
): ReconcilerSpec {
  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const budget = budgets.get(namespace, name);
    if (budget === undefined || budget.metadata.deletionTimestamp !== undefined) return;
    const pods = caches.pods.list(namespace).filter((pod) => selects(budget, pod));
    const lost = (node: string): boolean => isLost(caches.nodes.get("", node));
    const scaleOf = (controller: OwnerReference): Scale | undefined => scaleIn(namespace, controller);
    const decision = decideDisruptions({ budget, pods, isLost: lost, scaleOf }, clock.now());
    for (const { about, type, reason, message } of decision.tellings) {
      const object = about === undefined ? withKind(PODDISRUPTIONBUDGETS, budget) : withKind(PODS, about);
      events[type === "Normal" ? "normal" : "warning"](object, reason, message);
    }
    const { status, requeueAfterMs } = decision;
    if (canonical(status) !== canonical(budget.status ?? {})) {
      // The version read goes along: an eviction that took one off meanwhile must not be given back.
      const api = client.resource<PodDisruptionBudget>(PODDISRUPTIONBUDGETS, namespace);
      await ignoring("NotFound", api.updateStatus({ ...withKind(PODDISRUPTIONBUDGETS, budget), status }));
    }
    return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
  }

  /** A ReplicaSet's pods are those of its Deployment, over all of its ReplicaSets. */
  function scaleIn(namespace: string, { kind, name, uid }: OwnerReference): Scale | undefined {
    if (kind === STATEFULSETS.kind) return scaled(statefulSets.get(namespace, name), uid);
    if (kind !== REPLICASETS.kind) return undefined;
    const replicaSet = caches.replicaSets.get(namespace, name);
    const above = replicaSet === undefined ? undefined : controllerOf(replicaSet);
    if (above?.kind === DEPLOYMENTS.kind) return scaled(caches.deployments.get(namespace, above.name), above.uid);
    return scaled(replicaSet, uid);
  }

  function concerned(pod: Pod): string[] {
    return budgets
      .list(pod.metadata.namespace)
      .filter((budget) => selects(budget, pod))
      .map(keyOf);
  }

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      budgets.onChange(({ key }) => enqueue(key)),
      caches.pods.onChange(({ object, old }) => {
        for (const pod of old === undefined ? [object] : [object, old]) concerned(pod).forEach(enqueue);
      }),
      caches.nodes.onChange(({ object, old }) => {
        if (old === undefined || isLost(old) === isLost(object)) return;
        for (const pod of caches.pods.byIndex(BY_NODE, object.metadata.name)) concerned(pod).forEach(enqueue);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  return { name: "disruption", workers: 4, watch, reconcile };
}

interface Sized {
  readonly metadata: { readonly uid?: string };
  readonly spec: { readonly replicas?: number };
}

function scaled(object: Sized | undefined, uid: string): Scale | undefined {
  return object === undefined || object.metadata.uid !== uid ? undefined : { uid, replicas: object.spec.replicas ?? 1 };
}

function selects({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  return Object.keys(metadata.labels ?? {}).length > 0 && labelSelectorMatches(spec?.selector, metadata.labels);
}
