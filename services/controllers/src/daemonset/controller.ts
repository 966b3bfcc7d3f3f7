import {
  type ControllerRevision,
  DAEMONSETS,
  type DaemonSet,
  type Node,
  type Pod,
  type Resource,
  keyOf,
  splitKey,
} from "@trireme/api";
import type { Informer } from "@trireme/controller";
import { canonical } from "../canonical.ts";
import { type ControllerContext, type Outcome, type ReconcilerSpec, claimable } from "../context.ts";
import { controllerReference, isLost } from "../ownership.ts";
import { inParallel, slowStart } from "../parallel.ts";
import { UNSETTLED_REQUEUE_MS, createPodControl } from "../pod-control.ts";
import { podFromTemplate } from "../replicaset/pod-from-template.ts";
import { REVISION_LABEL, decideRevisions, keepRevisions, revisionHash } from "../revisions.ts";
import { type DaemonSetDecision, decideDaemonSet } from "./decide.ts";
import { specFor } from "./node-fit.ts";

/** Runs one pod of each DaemonSet on every node that it fits. */
export function createDaemonSetController(
  context: ControllerContext,
  sets: Informer<DaemonSet>,
  revisions: Informer<ControllerRevision>,
): ReconcilerSpec {
  const { client, caches, clock, prng } = context;
  const selectorOf = ({ spec }: DaemonSet) => spec.selector;
  const control = createPodControl(context, { resource: DAEMONSETS, informer: sets, selectorOf });

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      control.watch(enqueue),
      caches.nodes.onChange(({ type, object, old }) => {
        if (type === "modified" && old !== undefined && placement(old) === placement(object)) return;
        for (const set of sets.list()) enqueue(keyOf(set));
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const daemonSet = sets.get(namespace, name);
    if (daemonSet === undefined) {
      control.forget(key);
      return;
    }
    if (!control.isSettled(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const revision = revisionHash(daemonSet);
    const pods = claimable(caches.pods, daemonSet);
    const decision = decideDaemonSet(
      {
        daemonSet,
        revision,
        pods,
        nodes: caches.nodes.list(),
        isLost: (node) => isLost(caches.nodes.get("", node)),
      },
      clock.now(),
    );
    if (daemonSet.metadata.deletionTimestamp === undefined) await remember(daemonSet, revision, pods);
    const failure = await act(key, daemonSet, revision, decision);
    await control.writeStatus(key, daemonSet, decision.status);
    if (failure !== undefined) throw failure;
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: decision.requeueAfterMs };
  }

  async function remember(daemonSet: DaemonSet, revision: string, pods: readonly Pod[]): Promise<void> {
    const { name, namespace } = daemonSet.metadata;
    const used = new Set(pods.map((pod) => `${name}-${pod.metadata.labels?.[REVISION_LABEL]}`));
    const history = decideRevisions(daemonSet, revisions.list(namespace), used);
    await keepRevisions(client, DAEMONSETS as Resource, daemonSet, { [REVISION_LABEL]: revision }, history);
  }

  async function act(
    key: string,
    daemonSet: DaemonSet,
    revision: string,
    { actions }: DaemonSetDecision,
  ): Promise<Error | undefined> {
    const doomed: Pod[] = [];
    const bare: string[] = [];
    for (const action of actions) {
      if (action.type === "create") bare.push(action.node);
      else if (action.type === "delete") doomed.push(action.pod);
      else await control[action.type](key, daemonSet, action.pod);
    }
    const waiting = bare.values();
    const [refused] = await slowStart(bare.length, async () => {
      await control.create(key, daemonSet, podOf(daemonSet, revision, waiting.next().value!));
    });
    const [error] = await inParallel(doomed, (pod) => control.delete(key, daemonSet, pod));
    return refused !== undefined && control.failedToCreate(daemonSet, refused) ? refused : error;
  }

  function podOf(daemonSet: DaemonSet, revision: string, node: string): Pod {
    const { name, namespace = "" } = daemonSet.metadata;
    const reference = controllerReference(DAEMONSETS, daemonSet);
    const pod = podFromTemplate({ name, namespace, reference }, daemonSet.spec.template, prng);
    const labels = { ...pod.metadata.labels, [REVISION_LABEL]: revision };
    return { ...pod, metadata: { ...pod.metadata, labels }, spec: specFor(pod.spec, node) };
  }

  return { name: "daemonset", workers: 4, watch, reconcile };
}

/** What of a node decides whether pods may be there. */
function placement({ metadata, spec }: Node): string {
  return canonical([metadata.labels, spec?.taints, spec?.unschedulable]);
}
