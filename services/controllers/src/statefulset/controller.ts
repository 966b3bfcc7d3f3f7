import {
  CONTROLLERREVISIONS,
  type ControllerRevision,
  PERSISTENTVOLUMECLAIMS,
  type PersistentVolumeClaim,
  type Pod,
  type PodTemplateSpec,
  type Resource,
  STATEFULSETS,
  type StatefulSet,
  splitKey,
} from "@trireme/api";
import { errorFrom } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import { type ControllerContext, type Outcome, type ReconcilerSpec, claimable } from "../context.ts";
import { controllerOf, controllerReference, isLost, withKind } from "../ownership.ts";
import { ignoring, inParallel } from "../parallel.ts";
import { UNSETTLED_REQUEUE_MS, createPodControl } from "../pod-control.ts";
import {
  REVISION_LABEL,
  decideRevisions,
  keepRevisions,
  revisionHash,
  revisionName,
  templateOf,
} from "../revisions.ts";
import { claimsOf, ownersOf, volumesOf } from "./claims.ts";
import { type StatefulSetDecision, decideStatefulSet, ordinalOf, rangeOf } from "./decide.ts";

/** Label of a StatefulSet's ControllerRevision. */
const HASH_LABEL = "controller.kubernetes.io/hash";

/** Runs the pods of each StatefulSet under names that stay. */
export function createStatefulSetController(
  context: ControllerContext,
  sets: Informer<StatefulSet>,
  revisions: Informer<ControllerRevision>,
  claims: Informer<PersistentVolumeClaim>,
): ReconcilerSpec {
  const { client, caches, clock, events } = context;
  const selectorOf = ({ spec }: StatefulSet) => spec.selector;
  const control = createPodControl(context, { resource: STATEFULSETS, informer: sets, selectorOf });

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const set = sets.get(namespace, name);
    if (set === undefined) {
      control.forget(key);
      return;
    }
    if (!control.isSettled(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const pods = claimable(caches.pods, set);
    const updateRevision = revisionName(set);
    const observed = { set, updateRevision, pods, isLost: (node: string) => isLost(caches.nodes.get("", node)) };
    const decision = decideStatefulSet(observed, clock.now());
    if (set.metadata.deletionTimestamp === undefined) {
      const labels = pods.map((pod) => pod.metadata.labels?.[REVISION_LABEL]);
      const used = [...labels, set.status?.currentRevision].filter((one) => one !== undefined);
      const history = decideRevisions(set, revisions.list(namespace), new Set(used));
      await keepRevisions(client, STATEFULSETS as Resource, set, { [HASH_LABEL]: revisionHash(set) }, history);
    }
    if (set.metadata.deletionTimestamp === undefined) await ownClaims(set, pods);
    const failure = await act(key, set, decision);
    await control.writeStatus(key, set, decision.status);
    if (failure !== undefined) throw failure;
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: decision.requeueAfterMs };
  }

  async function act(key: string, set: StatefulSet, { actions }: StatefulSetDecision): Promise<Error | undefined> {
    for (const action of actions) {
      if (action.type === "adopt" || action.type === "release") await control[action.type](key, set, action.pod);
    }
    // Several at once only when the set asks for no order.
    const [failure] = await inParallel(actions, async (action) => {
      if (action.type === "delete") await control.delete(key, set, action.pod);
      if (action.type === "create") await create(key, set, action.ordinal, action.revision);
    });
    return failure;
  }

  async function create(key: string, set: StatefulSet, ordinal: number, revision: string): Promise<void> {
    try {
      for (const claim of claimsOf(set, ordinal)) await ensureClaim(set, claim, ordinal);
      await control.create(key, set, podOf(set, await templateFor(set, revision), ordinal, revision));
    } catch (thrown) {
      const error = errorFrom(thrown);
      // The last pod of this name is not gone yet, and the cache does not show that: the next look will.
      if (error.code !== "AlreadyExists" && !control.failedToCreate(set, error)) return;
      throw error;
    }
  }

  /** Claims outlive their pods: most often it is there already. */
  async function ensureClaim(set: StatefulSet, claim: PersistentVolumeClaim, ordinal: number): Promise<void> {
    const { name, namespace = "" } = claim.metadata;
    if (claims.get(namespace, name) !== undefined) return;
    const api = client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, namespace);
    const made = await ignoring("AlreadyExists", api.create(claim));
    if (made === undefined) return;
    const message = `create Claim ${name} Pod ${set.metadata.name}-${ordinal} in StatefulSet ${set.metadata.name} success`;
    events.normal(withKind(STATEFULSETS, set), "SuccessfulCreate", message);
  }

  /** Before a pod is scaled away its claims must say what becomes of them. */
  async function ownClaims(set: StatefulSet, pods: readonly Pod[]): Promise<void> {
    if ((set.spec.volumeClaimTemplates ?? []).length === 0) return;
    const { start, end } = rangeOf(set);
    for (const pod of pods) {
      const ordinal = ordinalOf(set, pod);
      if (ordinal === undefined || controllerOf(pod)?.uid !== set.metadata.uid) continue;
      for (const wanted of claimsOf(set, ordinal)) {
        const claim = claims.get(wanted.metadata.namespace ?? "", wanted.metadata.name);
        // A pod that has no node yet waits for a claim that somebody removed.
        if (claim === undefined && !pod.spec.nodeName) await ensureClaim(set, wanted, ordinal);
        if (claim === undefined || claim.metadata.deletionTimestamp !== undefined) continue;
        const ownerReferences = ownersOf(set, pod, ordinal < start || ordinal >= end, claim);
        if (ownerReferences === undefined) continue;
        const { name, namespace, uid, resourceVersion } = claim.metadata;
        const body = { metadata: { uid, resourceVersion, ownerReferences } };
        const api = client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, namespace);
        await ignoring("NotFound", api.patch(name, { type: "merge", body }));
      }
    }
  }

  async function templateFor(set: StatefulSet, revision: string): Promise<PodTemplateSpec> {
    if (revision === revisionName(set)) return set.spec.template;
    const { namespace = "" } = set.metadata;
    const known = revisions.get(namespace, revision);
    return templateOf(
      known ?? (await client.resource<ControllerRevision>(CONTROLLERREVISIONS, namespace).get(revision)),
    );
  }

  return { name: "statefulset", workers: 4, watch: control.watch, reconcile };
}

function podOf(set: StatefulSet, template: PodTemplateSpec, ordinal: number, revision: string): Pod {
  const name = `${set.metadata.name}-${ordinal}`;
  const { annotations, finalizers } = template.metadata ?? {};
  const { serviceName = "" } = set.spec;
  const volumes = volumesOf(set, template.spec?.volumes ?? [], ordinal);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: set.metadata.namespace ?? "",
      labels: {
        ...template.metadata?.labels,
        [REVISION_LABEL]: revision,
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": String(ordinal),
      },
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(STATEFULSETS, set)],
    },
    spec: {
      ...template.spec,
      ...(volumes.length === 0 ? {} : { volumes }),
      hostname: name,
      ...(serviceName === "" ? {} : { subdomain: serviceName }),
    },
  };
}
