import { type Node, type Pod, keyOf } from "@trireme/api";
import { controllerUid, hostPortsOf } from "./pod-context.ts";
import { addTo, amountsOf, podRequests, podRequestsForScoring } from "./resources.ts";
import type { NodeState, Snapshot } from "./snapshot.ts";

interface MutableNodeState extends NodeState {
  node: Node;
  allocatable: Readonly<Record<string, number>>;
  readonly requested: Record<string, number>;
  readonly requestedForScoring: Record<string, number>;
  readonly pods: Map<string, Pod>;
  readonly podsByOwner: Map<string, number>;
  readonly hostPorts: Map<string, number>;
  /** False: pods name this node, but no such Node object is known (yet, or any more). */
  exists: boolean;
}

/**
 * The cluster as the scheduler believes it to be: what informers reported, and on top of it the placements that it
 * assumes because their bindings are on the way. Sums are kept up as things change, so a snapshot costs nothing.
 *
 * Invariant: each pod key counts on at most one node; what a node's sums hold is exactly the sum over its pods.
 */
export class ClusterState {
  private readonly nodes = new Map<string, MutableNodeState>();
  private readonly nodeOfPod = new Map<string, string>();
  private readonly assumed = new Map<string, Pod>();

  /** Adds a node or replaces what was known of it. */
  setNode(node: Node): void {
    const state = this.stateOf(node.metadata.name);
    state.node = node;
    state.allocatable = amountsOf(node.status?.allocatable ?? node.status?.capacity);
    state.exists = true;
  }

  removeNode(name: string): void {
    const state = this.nodes.get(name);
    if (state === undefined) return;
    state.exists = false;
    this.dropIfEmpty(name, state);
  }

  /** Takes in what the API says of a pod. The API's word about its node ends an assumption. */
  setPod(pod: Pod): void {
    const key = keyOf(pod);
    const bound = pod.spec.nodeName !== undefined && pod.spec.nodeName !== "";
    const assumed = this.assumed.get(key);
    // The cache may still show an assumed pod as unbound: its binding is on the way.
    if (!bound && assumed !== undefined && assumed.metadata.uid === pod.metadata.uid && !isFinished(pod)) return;
    this.assumed.delete(key);
    this.take(key);
    if (bound && !isFinished(pod)) this.place(key, pod, pod.spec.nodeName!);
  }

  removePod(key: string): void {
    this.assumed.delete(key);
    this.take(key);
  }

  /** Counts a pod on a node before the API has confirmed it. */
  assume(pod: Pod, node: string): void {
    const key = keyOf(pod);
    this.take(key);
    this.assumed.set(key, pod);
    this.place(key, pod, node);
  }

  /** Takes an assumption back: its binding was refused. Does nothing once the API has confirmed it. */
  forget(key: string): void {
    if (this.assumed.delete(key)) this.take(key);
  }

  isAssumed(key: string): boolean {
    return this.assumed.has(key);
  }

  /** A view of now; it changes with the state, so decide before anything else happens. */
  snapshot(): Snapshot {
    return { nodes: [...this.nodes.values()].filter((state) => state.exists) };
  }

  private place(key: string, pod: Pod, node: string): void {
    const state = this.stateOf(node);
    this.nodeOfPod.set(key, node);
    state.pods.set(key, pod);
    this.count(state, pod, 1);
  }

  private take(key: string): void {
    const node = this.nodeOfPod.get(key);
    if (node === undefined) return;
    this.nodeOfPod.delete(key);
    const state = this.nodes.get(node)!;
    const pod = state.pods.get(key)!;
    state.pods.delete(key);
    this.count(state, pod, -1);
    this.dropIfEmpty(node, state);
  }

  private count(state: MutableNodeState, pod: Pod, sign: 1 | -1): void {
    addTo(state.requested, podRequests(pod), sign);
    addTo(state.requestedForScoring, podRequestsForScoring(pod), sign);
    for (const port of hostPortsOf(pod)) bump(state.hostPorts, `${port.protocol}/${port.ip}/${port.port}`, sign);
    const owner = controllerUid(pod);
    if (owner !== undefined && pod.metadata.deletionTimestamp === undefined) bump(state.podsByOwner, owner, sign);
  }

  private stateOf(name: string): MutableNodeState {
    let state = this.nodes.get(name);
    if (state === undefined) {
      state = {
        node: { metadata: { name } },
        name,
        allocatable: {},
        requested: {},
        requestedForScoring: {},
        pods: new Map(),
        podsByOwner: new Map(),
        hostPorts: new Map(),
        exists: false,
      };
      this.nodes.set(name, state);
    }
    return state;
  }

  private dropIfEmpty(name: string, state: MutableNodeState): void {
    if (!state.exists && state.pods.size === 0) this.nodes.delete(name);
  }
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

function bump(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
