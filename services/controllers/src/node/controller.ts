import { type Lease, NODES, type Node, PODS, type Pod, type Taint, splitKey } from "@trireme/api";
import { errorFrom, hasCode } from "@trireme/base";
import { ALL, type Bus, heartbeatCodec, nodeOfSubject } from "@trireme/bus";
import type { Informer } from "@trireme/controller";
import { BY_NODE, type ControllerContext, type Outcome, type ReconcilerSpec } from "../context.ts";
import { withKind } from "../ownership.ts";
import { inParallel } from "../parallel.ts";
import { type NodeAction, decideNode } from "./decide.ts";
import { MASS_LOSS_SHARE, NodeHealth } from "./health.ts";

const LEASE_NAMESPACE = "kube-node-lease";
// A node's name may be bound before its object is seen; only after this time its pods count as stranded.
const STRANDED_AFTER_MS = 20_000;

/** What the node controller needs beyond the common. */
export interface NodeControllerOptions {
  /** Without a bus nodes are judged by their Leases and status alone. */
  readonly bus: Bus | undefined;
  readonly leases: Informer<Lease>;
  readonly defaultTolerationSeconds: number;
}

/** The node controller, and what the app tells it about its office. */
export interface NodeController extends ReconcilerSpec {
  /** Listens for signs of life from now on, in office or not; returns a function that stops it. */
  track(): () => void;
  /** A new office begins: nodes get the full time of silence again. */
  takeOffice(): void;
}

/** Notices silent nodes, taints them, moves their pods away, and cleans up after nodes that are gone. */
export function createNodeController(context: ControllerContext, options: NodeControllerOptions): NodeController {
  const { client, caches, clock, events, log } = context;
  const { bus, leases } = options;
  const health = new NodeHealth();
  /** When a NoExecute taint was first seen, by `<node>/<key>`, in wall-clock time of this process. */
  const tainted = new Map<string, number>();
  const strandedSince = new Map<string, number>();
  let officeSince = clock.now();
  let hadMassLoss = false;
  let recovered: ((key: string) => void) | undefined;

  /** Listens for signs of life all the time, so that a take-over knows who was heard. */
  function track(): () => void {
    const now = (): number => clock.monotonic();
    const heard = (node: string, note: () => void): void => {
      const wasLost = health.msUntilLost(node, now()) <= 0;
      note();
      if (wasLost) recovered?.(`/${node}`);
    };
    const heartbeats = bus?.subscribe(ALL.heartbeats, (payload, subject) => {
      const node = nodeOfSubject(subject);
      try {
        if (heartbeatCodec.decode(payload).node !== node) return;
      } catch (thrown) {
        log.debug("heartbeat dropped: it is malformed", { node, err: errorFrom(thrown) });
        return;
      }
      heard(node, () => health.beat(node, now()));
    });
    const stops = [
      () => heartbeats?.unsubscribe(),
      bus?.onStatus((status) => {
        if (status === "disconnected") health.busLost();
      }),
      leases.onChange(({ object }) => {
        if (object.metadata.namespace !== LEASE_NAMESPACE) return;
        const node = object.metadata.name;
        heard(node, () => health.lease(node, object.spec.renewTime, now()));
      }),
      caches.nodes.onChange(({ type, object }) => {
        const { name } = object.metadata;
        if (type === "deleted") health.forget(name);
        else health.status(name, statusTime(object), now());
      }),
    ];
    return () => stops.forEach((stop) => stop?.());
  }

  function watch(enqueue: (key: string) => void): () => void {
    recovered = enqueue;
    const stops = [
      caches.nodes.onChange(({ key }) => enqueue(key)),
      caches.pods.onChange(({ object, old }) => {
        // New pods on a tainted node, and pods of nodes that do not exist.
        const node = object.spec.nodeName ?? "";
        if (node !== "" && (old?.spec.nodeName ?? "") !== node) enqueue(`/${node}`);
      }),
    ];
    return () => {
      recovered = undefined;
      stops.forEach((stop) => stop());
    };
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { name } = splitKey(key);
    const node = caches.nodes.get("", name);
    const pods = caches.pods.byIndex(BY_NODE, name);
    if (node === undefined) return await cleanUpAfter(name, pods);
    strandedSince.delete(name);
    noteTaints(node);
    const decision = decideNode(
      {
        node,
        pods,
        msUntilLost: health.msUntilLost(name, clock.monotonic()),
        massLoss: isMassLoss(),
        taintedSince: (taint) => Math.max(officeSince, tainted.get(taintKey(name, taint)) ?? clock.now()),
        defaultTolerationSeconds: options.defaultTolerationSeconds,
      },
      clock.now(),
    );
    if (decision.becameLost) {
      log.info("node is lost", { node: name });
      events.normal(withKind(NODES, node), "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
    }
    let current = node;
    for (const action of decision.actions) {
      if (action.type === "conditions" || action.type === "taints") current = await change(current, action);
    }
    const unready = decision.actions.filter((action) => action.type === "unready");
    const [unmarked] = await inParallel(unready, markUnready);
    const doomed = decision.actions.flatMap((action) => (action.type === "evict" ? [action.pod] : []));
    const [failure = unmarked] = await inParallel(doomed, evict);
    // Whatever could not be said of a pod must not keep it from moving away.
    if (failure !== undefined) throw failure;
    return decision.requeueAfterMs === undefined ? undefined : { requeueAfterMs: Math.ceil(decision.requeueAfterMs) };
  }

  async function markUnready({ pod, condition }: Extract<NodeAction, { type: "unready" }>): Promise<void> {
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    const body = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } };
    try {
      await client.resource<Pod>(PODS, namespace).patch(name, { type: "strategic", subresource: "status", body });
    } catch (thrown) {
      if (hasCode(thrown, "NotFound")) return;
      throw thrown;
    }
    events.warning(withKind(PODS, pod), "NodeNotReady", "Node is not ready");
  }

  async function change(node: Node, action: Extract<NodeAction, { type: "conditions" | "taints" }>): Promise<Node> {
    const nodes = client.resource<Node>(NODES);
    const { name, uid, resourceVersion } = node.metadata;
    if (action.type === "conditions") {
      const body = { metadata: { uid, resourceVersion }, status: { conditions: action.conditions } };
      return await nodes.patch(name, { type: "strategic", subresource: "status", body });
    }
    // The whole list replaces the old one, under the resourceVersion that it was worked out from.
    const taints = action.taints.length === 0 ? null : action.taints;
    return await nodes.patch(name, { type: "merge", body: { metadata: { uid, resourceVersion }, spec: { taints } } });
  }

  async function evict(pod: Pod): Promise<void> {
    const { name, namespace = "", uid } = pod.metadata;
    events.normal(withKind(PODS, pod), "TaintManagerEviction", `Marking for deletion Pod ${namespace}/${name}`);
    await remove(pod, uid === undefined ? {} : { preconditions: { uid } });
  }

  /** Pods of a node that no longer exists: no agent will ever confirm that they are gone. */
  async function cleanUpAfter(name: string, pods: readonly Pod[]): Promise<Outcome | void> {
    if (pods.length === 0) {
      strandedSince.delete(name);
      return;
    }
    const since = strandedSince.get(name) ?? clock.monotonic();
    strandedSince.set(name, since);
    const wait = since + STRANDED_AFTER_MS - clock.monotonic();
    if (wait > 0) return { requeueAfterMs: wait };
    try {
      await client.resource<Node>(NODES).get(name);
      // It exists after all, and the cache will show it.
      return { requeueAfterMs: STRANDED_AFTER_MS };
    } catch (thrown) {
      if (!hasCode(thrown, "NotFound")) throw thrown;
    }
    log.info("removing the pods of a node that is gone", { node: name, pods: pods.length });
    const [failure] = await inParallel(pods, async (pod) => {
      const { uid } = pod.metadata;
      await remove(pod, { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }) });
    });
    if (failure !== undefined) throw failure;
  }

  async function remove(
    pod: Pod,
    how: { gracePeriodSeconds?: number; preconditions?: { uid: string } },
  ): Promise<void> {
    try {
      await client.resource<Pod>(PODS, pod.metadata.namespace).delete(pod.metadata.name, how);
    } catch (thrown) {
      // Gone already, or another pod by now.
      if (!hasCode(thrown, "NotFound") && !hasCode(thrown, "Conflict")) throw thrown;
    }
  }

  /** Remembers since when each NoExecute taint is there, and forgets those that went. */
  function noteTaints(node: Node): void {
    const { name } = node.metadata;
    const present = new Set(
      (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute").map((taint) => taintKey(name, taint)),
    );
    for (const key of present) if (!tainted.has(key)) tainted.set(key, clock.now());
    for (const key of tainted.keys()) if (key.startsWith(`${name}/`) && !present.has(key)) tainted.delete(key);
  }

  function isMassLoss(): boolean {
    const nodes = caches.nodes.list();
    const bad = nodes.filter(
      (node) => health.msUntilLost(node.metadata.name, clock.monotonic()) <= 0 || !isReady(node),
    );
    const massLoss = nodes.length > 0 && bad.length / nodes.length >= MASS_LOSS_SHARE;
    if (hadMassLoss && !massLoss) {
      // Whoever is still lost gets the full toleration again: nobody could have recovered during the outage.
      for (const key of tainted.keys()) tainted.set(key, clock.now());
    }
    const keys = { lost: bad.length, of: nodes.length };
    if (massLoss && !hadMassLoss) log.warn("most nodes are lost, evicting nobody", keys);
    if (hadMassLoss && !massLoss) log.info("enough nodes are back, evicting again", keys);
    hadMassLoss = massLoss;
    return massLoss;
  }

  function takeOffice(): void {
    officeSince = clock.now();
    health.grace(clock.monotonic());
  }

  return { name: "node", workers: 4, track, watch, reconcile, takeOffice };
}

function taintKey(node: string, taint: Taint): string {
  return `${node}/${taint.key}`;
}

/** The newest stamp that the agent itself wrote; our own Unknown keeps the agent's. */
function statusTime(node: Node): string | undefined {
  return node.status?.conditions?.find((one) => one.type === "Ready")?.lastHeartbeatTime;
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}
