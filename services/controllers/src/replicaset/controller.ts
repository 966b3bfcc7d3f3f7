import {
  DEPLOYMENTS,
  PODS,
  type Pod,
  REPLICASETS,
  type ReplicaSet,
  keyOf,
  labelSelectorMatches,
  splitKey,
} from "@trireme/api";
import { type TriremeError, hasCode } from "@trireme/base";
import { canonical } from "../canonical.ts";
import {
  BY_CONTROLLER,
  BY_NODE,
  BY_UID,
  type ControllerContext,
  type Outcome,
  type ReconcilerSpec,
  claimable,
  controllerKey,
} from "../context.ts";
import { Expectations } from "../expectations.ts";
import { controllerOf, controllerReference, isLost, withKind } from "../ownership.ts";
import { ignoring, inParallel, slowStart } from "../parallel.ts";
import { type ReplicaSetAction, type ReplicaSetDecision, decideReplicaSet, withReplicaFailure } from "./decide.ts";
import { podFromTemplate } from "./pod-from-template.ts";

// How long to wait for the cache before looking again, should no event come: an expectation may be met by a relist alone.
const UNSETTLED_REQUEUE_MS = 250;

/** Keeps as many pods as each ReplicaSet asks for. */
export function createReplicaSetController(context: ControllerContext): ReconcilerSpec {
  const { client, caches, clock, prng, events, log } = context;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      caches.replicaSets.onChange(({ key }) => enqueue(key)),
      caches.pods.onChange(({ object, old }) => {
        for (const pod of old === undefined ? [object] : [object, old]) {
          const owner = controllerKey(pod, REPLICASETS);
          if (owner !== undefined) enqueue(owner);
          else if (controllerOf(pod) === undefined) for (const key of selecting(pod)) enqueue(key);
        }
      }),
      caches.nodes.onChange(({ object, old }) => {
        if (old === undefined || isLost(old) === isLost(object)) return;
        for (const pod of caches.pods.byIndex(BY_NODE, object.metadata.name)) {
          const owner = controllerKey(pod, REPLICASETS);
          if (owner !== undefined) enqueue(owner);
        }
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** Sets that could adopt a pod. */
  function selecting(pod: Pod): string[] {
    return caches.replicaSets
      .list(pod.metadata.namespace)
      .filter((set) => labelSelectorMatches(set.spec.selector, pod.metadata.labels))
      .map(keyOf);
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const replicaSet = caches.replicaSets.get(namespace, name);
    if (replicaSet === undefined) {
      expectations.forget(key);
      return;
    }
    if (!isSettled(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const pods = claimable(caches.pods, replicaSet);
    const lost = (node: string): boolean => isLost(caches.nodes.get("", node));
    const observed = { replicaSet, pods, related: related(replicaSet), isLost: lost };
    const decision = decideReplicaSet(observed, clock.now());
    const failure = await act(key, replicaSet, decision.actions);
    await writeStatus(key, replicaSet, decision, failure);
    if (failure !== undefined) throw failure.error;
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: decision.requeueAfterMs };
  }

  function isSettled(key: string): boolean {
    return expectations.met(key, (uid) =>
      caches.pods.byIndex(BY_UID, uid).every((pod) => pod.metadata.deletionTimestamp !== undefined),
    );
  }

  /** Pods of all sets of the same Deployment. */
  function related(replicaSet: ReplicaSet): Pod[] {
    const owner = controllerOf(replicaSet)?.uid;
    if (owner === undefined || controllerKey(replicaSet, DEPLOYMENTS) === undefined) return [];
    const sets = caches.replicaSets.byIndex(BY_CONTROLLER, owner);
    return sets.flatMap((set) => caches.pods.byIndex(BY_CONTROLLER, set.metadata.uid ?? ""));
  }

  interface Failure {
    readonly reason: "FailedCreate" | "FailedDelete";
    readonly message: string;
    readonly error: TriremeError;
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
          await adopt(key, replicaSet, action.pod);
          break;
        case "release":
          await release(key, replicaSet, action.pod);
          break;
        case "create":
          failure = await createPods(key, replicaSet, action.count);
          break;
        case "delete":
          doomed.push(action.pod);
          break;
      }
    }
    const [error] = await inParallel(doomed, (pod) => deletePod(key, replicaSet, pod));
    if (error !== undefined) failure = { reason: "FailedDelete", message: error.message, error };
    return failure;
  }

  async function createPods(key: string, replicaSet: ReplicaSet, count: number): Promise<Failure | undefined> {
    const [error] = await slowStart(count, () => createPod(key, replicaSet));
    if (error === undefined) return undefined;
    // A namespace that is going away refuses new pods; its ReplicaSets go with it.
    const ending = caches.namespaces.get("", replicaSet.metadata.namespace ?? "")?.metadata.deletionTimestamp;
    if (ending !== undefined && error.code !== "Fenced") return undefined;
    const failure: Failure = { reason: "FailedCreate", message: error.message, error };
    if (error.code === "Fenced") return failure;
    events.warning(withKind(REPLICASETS, replicaSet), "FailedCreate", `Error creating: ${error.message}`);
    return failure;
  }

  async function createPod(key: string, replicaSet: ReplicaSet): Promise<void> {
    const { name, namespace = "" } = replicaSet.metadata;
    const reference = controllerReference(REPLICASETS, replicaSet);
    const pod = podFromTemplate({ name, namespace, reference }, replicaSet.spec.template, prng);
    const created = await createOnce(namespace, pod);
    expectations.wrote(key, caches.pods, created);
    events.normal(withKind(REPLICASETS, replicaSet), "SuccessfulCreate", `Created pod: ${created.metadata.name}`);
  }

  /** Creates a pod; when the answer is lost, asks for it by its name instead of creating another. */
  async function createOnce(namespace: string, pod: Pod): Promise<Pod> {
    const pods = client.resource<Pod>(PODS, namespace);
    try {
      return await pods.create(pod);
    } catch (thrown) {
      if (!hasCode(thrown, "Unknown")) throw thrown;
      log.debug("outcome of a pod's creation is unknown", { key: keyOf(pod), err: thrown });
      return await pods.get(pod.metadata.name);
    }
  }

  async function deletePod(key: string, replicaSet: ReplicaSet, pod: Pod): Promise<void> {
    const { name, namespace, uid = "" } = pod.metadata;
    expectations.removing(key, uid);
    try {
      await client.resource<Pod>(PODS, namespace).delete(name, { preconditions: { uid } });
      events.normal(withKind(REPLICASETS, replicaSet), "SuccessfulDelete", `Deleted pod: ${name}`);
    } catch (thrown) {
      // NotFound, or a pod of another life: gone is what we wanted. Unknown stays expected: the cache will tell.
      if (hasCode(thrown, "NotFound") || hasCode(thrown, "Conflict")) return;
      if (!hasCode(thrown, "Unknown")) expectations.kept(key, uid);
      throw thrown;
    }
  }

  async function adopt(key: string, replicaSet: ReplicaSet, pod: Pod): Promise<void> {
    const { name, namespace = "", uid } = replicaSet.metadata;
    // The cache may be old: a set that is being deleted, or another life of its name, adopts nothing.
    const live = await ignoring("NotFound", client.resource<ReplicaSet>(REPLICASETS, namespace).get(name));
    if (live?.metadata.uid !== uid || live?.metadata.deletionTimestamp !== undefined) return;
    const ownerReferences = [...(pod.metadata.ownerReferences ?? []), controllerReference(REPLICASETS, replicaSet)];
    await patchOwners(key, pod, ownerReferences);
  }

  async function release(key: string, replicaSet: ReplicaSet, pod: Pod): Promise<void> {
    const others = (pod.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== replicaSet.metadata.uid);
    await patchOwners(key, pod, others.length === 0 ? null : others);
  }

  async function patchOwners(key: string, pod: Pod, ownerReferences: readonly unknown[] | null): Promise<void> {
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    const body = { metadata: { uid, resourceVersion, ownerReferences } };
    const patch = client.resource<Pod>(PODS, namespace).patch(name, { type: "merge", body });
    const patched = await ignoring("NotFound", patch);
    if (patched !== undefined) expectations.wrote(key, caches.pods, patched);
  }

  async function writeStatus(
    key: string,
    replicaSet: ReplicaSet,
    decision: ReplicaSetDecision,
    failure: Failure | undefined,
  ): Promise<void> {
    const status = withReplicaFailure(decision.status, failure, clock.now());
    if (canonical(status) === canonical(replicaSet.status)) return;
    const { namespace } = replicaSet.metadata;
    const written = await client
      .resource<ReplicaSet>(REPLICASETS, namespace)
      .updateStatus({ ...withKind(REPLICASETS, replicaSet), status });
    expectations.wrote(key, caches.replicaSets, written);
  }

  return { name: "replicaset", workers: 8, watch, reconcile };
}
