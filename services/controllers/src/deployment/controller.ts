import {
  DEPLOYMENTS,
  type Deployment,
  REPLICASETS,
  type ReplicaSet,
  keyOf,
  labelSelectorMatches,
  splitKey,
} from "@trireme/api";
import { hasCode } from "@trireme/base";
import { canonical } from "../canonical.ts";
import {
  BY_CONTROLLER,
  type ControllerContext,
  type Outcome,
  type ReconcilerSpec,
  claimable,
  controllerKey,
} from "../context.ts";
import { Expectations } from "../expectations.ts";
import { controllerOf, controllerReference, withKind } from "../ownership.ts";
import { ignoring } from "../parallel.ts";
import { type DeploymentAction, decideDeployment } from "./decide.ts";
import { replicasOf } from "./limits.ts";
import { templatesEqual } from "./template.ts";

// Should no event come: an expectation may be met by a relist alone.
const UNSETTLED_REQUEUE_MS = 250;

/** Moves each Deployment's ReplicaSets towards its template and size. */
export function createDeploymentController(context: ControllerContext): ReconcilerSpec {
  const { client, caches, clock, events, log } = context;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      caches.deployments.onChange(({ key }) => enqueue(key)),
      caches.replicaSets.onChange(({ object, old }) => {
        for (const set of old === undefined ? [object] : [object, old]) {
          const owner = controllerKey(set, DEPLOYMENTS);
          if (owner !== undefined) enqueue(owner);
          else if (controllerOf(set) === undefined) for (const key of selecting(set)) enqueue(key);
        }
      }),
      // Recreate waits for the last pod of the old sets.
      caches.pods.onChange(({ type, object }) => {
        const owner = type === "deleted" ? controllerKey(object, REPLICASETS) : undefined;
        if (owner === undefined) return;
        const { namespace, name } = splitKey(owner);
        const set = caches.replicaSets.get(namespace, name);
        const key = set === undefined ? undefined : controllerKey(set, DEPLOYMENTS);
        if (key !== undefined) enqueue(key);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** Deployments that could adopt a set. */
  function selecting(set: ReplicaSet): string[] {
    return caches.deployments
      .list(set.metadata.namespace)
      .filter((deployment) => labelSelectorMatches(deployment.spec.selector, set.metadata.labels))
      .map(keyOf);
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const deployment = caches.deployments.get(namespace, name);
    if (deployment === undefined) {
      expectations.forget(key);
      return;
    }
    if (!expectations.met(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const decision = decideDeployment(
      {
        deployment,
        replicaSets: claimable(caches.replicaSets, deployment),
        podsOf: (set) => caches.pods.byIndex(BY_CONTROLLER, set.metadata.uid ?? ""),
      },
      clock.now(),
    );
    let current = deployment;
    let { status } = decision;
    for (const action of decision.actions) {
      const collided = await act(key, current, action);
      if (collided === "collision") status = { ...status, collisionCount: (status.collisionCount ?? 0) + 1 };
      else if (collided !== undefined) current = collided;
    }
    if (canonical(status) !== canonical(deployment.status)) {
      const written = await client
        .resource<Deployment>(DEPLOYMENTS, namespace)
        .updateStatus({ ...withKind(DEPLOYMENTS, current), status });
      expectations.wrote(key, caches.deployments, written);
    }
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: decision.requeueAfterMs };
  }

  /** Answers the Deployment if the action changed it, or that the new set's name was taken. */
  async function act(
    key: string,
    deployment: Deployment,
    action: DeploymentAction,
  ): Promise<Deployment | "collision" | undefined> {
    const { name, namespace = "" } = deployment.metadata;
    const sets = client.resource<ReplicaSet>(REPLICASETS, namespace);
    switch (action.type) {
      case "create":
        return await create(key, deployment, action.replicaSet);
      case "update": {
        const written = await sets.update(withKind(REPLICASETS, action.replicaSet));
        expectations.wrote(key, caches.replicaSets, written);
        tellScaled(deployment, action.before, action.replicaSet);
        return undefined;
      }
      case "delete": {
        const { name: old, uid = "", resourceVersion } = action.replicaSet.metadata;
        const preconditions = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
        await ignoring("NotFound", sets.delete(old, { preconditions, propagationPolicy: "Background" }));
        log.debug("old replica set deleted", { key, replicaSet: old });
        return undefined;
      }
      case "annotate": {
        const body = { metadata: { uid: deployment.metadata.uid, annotations: action.annotations } };
        const patched = await client.resource<Deployment>(DEPLOYMENTS, namespace).patch(name, { type: "merge", body });
        expectations.wrote(key, caches.deployments, patched);
        return patched;
      }
      case "adopt": {
        // The cache may be old: a Deployment that is being deleted, or another life of its name, adopts nothing.
        const live = await ignoring("NotFound", client.resource<Deployment>(DEPLOYMENTS, namespace).get(name));
        if (live?.metadata.uid !== deployment.metadata.uid || live?.metadata.deletionTimestamp !== undefined)
          return undefined;
        const owners = action.replicaSet.metadata.ownerReferences ?? [];
        await patchOwners(key, action.replicaSet, [...owners, controllerReference(DEPLOYMENTS, deployment)]);
        return undefined;
      }
      case "release": {
        const owners = action.replicaSet.metadata.ownerReferences ?? [];
        const others = owners.filter((owner) => owner.uid !== deployment.metadata.uid);
        await patchOwners(key, action.replicaSet, others.length === 0 ? null : others);
        return undefined;
      }
    }
  }

  async function create(key: string, deployment: Deployment, set: ReplicaSet): Promise<"collision" | undefined> {
    const sets = client.resource<ReplicaSet>(REPLICASETS, deployment.metadata.namespace);
    try {
      const created = await sets.create(set);
      expectations.wrote(key, caches.replicaSets, created);
    } catch (thrown) {
      if (!hasCode(thrown, "AlreadyExists")) {
        if (!hasCode(thrown, "Fenced")) {
          const why = thrown instanceof Error ? thrown.message : String(thrown);
          events.warning(
            withKind(DEPLOYMENTS, deployment),
            "ReplicaSetCreateError",
            `Failed to create new replica set "${set.metadata.name}": ${why}`,
          );
        }
        throw thrown;
      }
      const present = await sets.get(set.metadata.name);
      const isOurs = controllerOf(present)?.uid === deployment.metadata.uid;
      if (isOurs && templatesEqual(present.spec.template, deployment.spec.template)) {
        // We made it before and the cache does not show it yet.
        expectations.wrote(key, caches.replicaSets, present);
        return undefined;
      }
      log.info("replica set name is taken", { key, replicaSet: set.metadata.name });
      return "collision";
    }
    tellScaled(deployment, { ...set, spec: { ...set.spec, replicas: 0 } }, set);
    return undefined;
  }

  async function patchOwners(key: string, set: ReplicaSet, ownerReferences: readonly unknown[] | null): Promise<void> {
    const { name, namespace, uid, resourceVersion } = set.metadata;
    const body = { metadata: { uid, resourceVersion, ownerReferences } };
    const patch = client.resource<ReplicaSet>(REPLICASETS, namespace).patch(name, { type: "merge", body });
    const patched = await ignoring("NotFound", patch);
    if (patched !== undefined) expectations.wrote(key, caches.replicaSets, patched);
  }

  function tellScaled(deployment: Deployment, before: ReplicaSet, after: ReplicaSet): void {
    const [from, to] = [replicasOf(before), replicasOf(after)];
    if (from === to) return;
    const verb = to > from ? "up" : "down";
    const message = `Scaled ${verb} replica set ${after.metadata.name} from ${from} to ${to}`;
    events.normal(withKind(DEPLOYMENTS, deployment), "ScalingReplicaSet", message);
  }

  return { name: "deployment", workers: 8, watch, reconcile };
}
