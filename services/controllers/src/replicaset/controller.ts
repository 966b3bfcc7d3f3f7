import { DEPLOYMENTS, type Pod, REPLICASETS, type ReplicaSet, splitKey } from "@trireme/api";
import type { TriremeError } from "@trireme/base";
import {
  BY_CONTROLLER,
  type ControllerContext,
  type Outcome,
  type ReconcilerSpec,
  claimable,
  controllerKey,
} from "../context.ts";
import { controllerOf, controllerReference, isLost } from "../ownership.ts";
import { inParallel, slowStart } from "../parallel.ts";
import { UNSETTLED_REQUEUE_MS, createPodControl } from "../pod-control.ts";
import { type ReplicaSetAction, decideReplicaSet, withReplicaFailure } from "./decide.ts";
import { podFromTemplate } from "./pod-from-template.ts";

/** Keeps as many pods as each ReplicaSet asks for. */
export function createReplicaSetController(context: ControllerContext): ReconcilerSpec {
  const { caches, clock, prng } = context;
  const control = createPodControl(context, {
    resource: REPLICASETS,
    informer: caches.replicaSets,
    selectorOf: ({ spec }) => spec.selector,
  });

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const replicaSet = caches.replicaSets.get(namespace, name);
    if (replicaSet === undefined) {
      control.forget(key);
      return;
    }
    if (!control.isSettled(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const pods = claimable(caches.pods, replicaSet);
    const lost = (node: string): boolean => isLost(caches.nodes.get("", node));
    const observed = { replicaSet, pods, related: related(replicaSet), isLost: lost };
    const decision = decideReplicaSet(observed, clock.now());
    const failure = await act(key, replicaSet, decision.actions);
    await control.writeStatus(key, replicaSet, withReplicaFailure(decision.status, failure, clock.now()));
    if (failure !== undefined) throw failure.error;
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: decision.requeueAfterMs };
  }

  /** Pods of all sets of the same Deployment. */
  function related(replicaSet: ReplicaSet): Pod[] {
    const owner = controllerOf(replicaSet)?.uid;
    if (owner === undefined || controllerKey(replicaSet, DEPLOYMENTS) === undefined) return [];
    const sets = caches.replicaSets.byIndex(BY_CONTROLLER, owner);
    return sets.flatMap((set) => caches.pods.byIndex(BY_CONTROLLER, set.metadata.uid ?? ""));
  }

  async function act(
    key: string,
    replicaSet: ReplicaSet,
    actions: readonly ReplicaSetAction[],
  ): Promise<Failure | undefined> {
    const doomed: Pod[] = [];
    let failure: Failure | undefined;
    for (const action of actions) {
      switch (action.type) {
        case "adopt":
          await control.adopt(key, replicaSet, action.pod);
          break;
        case "release":
          await control.release(key, replicaSet, action.pod);
          break;
        case "create":
          failure = await create(key, replicaSet, action.count);
          break;
        case "delete":
          doomed.push(action.pod);
          break;
      }
    }
    const [error] = await inParallel(doomed, (pod) => control.delete(key, replicaSet, pod));
    if (error !== undefined) failure = { reason: "FailedDelete", message: error.message, error };
    return failure;
  }

  async function create(key: string, replicaSet: ReplicaSet, count: number): Promise<Failure | undefined> {
    const { name, namespace = "" } = replicaSet.metadata;
    const reference = controllerReference(REPLICASETS, replicaSet);
    const [error] = await slowStart(count, async () => {
      const pod = podFromTemplate({ name, namespace, reference }, replicaSet.spec.template, prng);
      await control.create(key, replicaSet, pod);
    });
    if (error === undefined || !control.failedToCreate(replicaSet, error)) return undefined;
    return { reason: "FailedCreate", message: error.message, error };
  }

  return { name: "replicaset", workers: 8, watch: control.watch, reconcile };
}

interface Failure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly message: string;
  readonly error: TriremeError;
}
