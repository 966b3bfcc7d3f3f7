import { type Clock, type TriremeError, errorFrom } from "@trireme/base";
import { type KubeObject, PODS, type Pod, type Resource, conflict, notFound } from "@trireme/api";
import type { StoreClient } from "@trireme/store-client";
import { fenceCompare, fencedError } from "../auth/fence.ts";
import type { Caller } from "../pipeline/request.ts";
import { encodeObject } from "../storage/codec.ts";
import { fenceKey, keyOfObject } from "../storage/keys.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import { rfc3339 } from "./metadata.ts";
import type { Location, ObjectStore } from "./object-store.ts";

/** Pods bound in one transaction: the store takes 128 operations, and half leaves room beside the fence. */
const BINDINGS_PER_TXN = 64;

/** One pod's assignment to a node. */
export interface PodBinding {
  readonly namespace: string;
  readonly pod: string;
  /** Empty: whichever pod has the name. */
  readonly uid: string;
  readonly node: string;
}

/** What became of one binding: the pod's new version, or why not. */
export type BindingOutcome = { readonly revision: number } | { readonly error: TriremeError };

/** Assigns pods to nodes. */
export class Bindings {
  private readonly objects: ObjectStore;
  private readonly store: StoreClient;
  private readonly clock: Clock;

  constructor(objects: ObjectStore, store: StoreClient, clock: Clock) {
    this.objects = objects;
    this.store = store;
    this.clock = clock;
  }

  /** Binds one pod; throws Conflict when it has a node already or is another pod. */
  async bind(caller: Caller, binding: PodBinding, dryRun = false): Promise<KubeObject> {
    const at = locationOf(binding);
    const outcome = await this.objects.write(at, { fence: caller.fence, dryRun }, (current) => ({
      next: bound(current, binding, this.clock.now()),
    }));
    return outcome.after!.object;
  }

  /** Binds many pods, a transaction for each batch; where one is refused, each of its pods is tried by itself. */
  async bindAll(caller: Caller, bindings: readonly PodBinding[]): Promise<BindingOutcome[]> {
    const outcomes: BindingOutcome[] = [];
    for (let i = 0; i < bindings.length; i += BINDINGS_PER_TXN) {
      const batch = bindings.slice(i, i + BINDINGS_PER_TXN);
      const revision = await this.tryTogether(caller, batch);
      if (revision === undefined) outcomes.push(...(await this.oneByOne(caller, batch)));
      else outcomes.push(...batch.map(() => ({ revision })));
    }
    return outcomes;
  }

  /** The revision of the batch's transaction; undefined when it must be split. Throws when the fence has moved on. */
  private async tryTogether(caller: Caller, batch: readonly PodBinding[]): Promise<number | undefined> {
    const states: { key: string; revision: number; value: Uint8Array }[] = [];
    try {
      for (const binding of batch) {
        const current = this.objects.cached(locationOf(binding));
        const next = bound(current, binding, this.clock.now());
        const key = keyOfObject(PODS, binding.namespace, binding.pod);
        states.push({ key, revision: current!.revision, value: encodeObject(next) });
      }
    } catch (thrown) {
      // The cache may be behind: the pods are tried one by one, on fresh state.
      if (["Conflict", "NotFound"].includes(errorFrom(thrown).code)) return undefined;
      throw thrown;
    }
    // A key may be written once in a transaction.
    if (new Set(states.map((one) => one.key)).size < states.length) return undefined;
    const { fence } = caller;
    const result = await this.store.txn({
      compare: [
        ...(fence === undefined ? [] : [fenceCompare(fence)]),
        ...states.map(({ key, revision }) => ({ key, target: "mod", result: "=", value: revision }) as const),
      ],
      success: states.map(({ key, value }) => ({ put: { key, value } })),
      failure: fence === undefined ? [] : [{ range: { key: fenceKey(fence.election) } }],
    });
    if (result.succeeded) return result.revision;
    const found = result.responses[0];
    if (fence !== undefined && found !== undefined && "range" in found) {
      const present = found.range.kvs[0]?.modRevision ?? 0;
      if (present !== fence.revision) throw fencedError(fence, present);
    }
    return undefined;
  }

  private async oneByOne(caller: Caller, batch: readonly PodBinding[]): Promise<BindingOutcome[]> {
    const outcomes: BindingOutcome[] = [];
    for (const binding of batch) {
      try {
        const object = await this.bind(caller, binding);
        outcomes.push({ revision: Number(object.metadata.resourceVersion) });
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (error.code === "Fenced") throw error;
        outcomes.push({ error });
      }
    }
    return outcomes;
  }
}

function locationOf(binding: PodBinding): Location {
  return { resource: PODS as Resource, namespace: binding.namespace, name: binding.pod };
}

function bound(current: StoredObject | undefined, binding: PodBinding, nowMs: number): KubeObject {
  const resource = PODS as Resource;
  if (current === undefined) throw notFound(resource, binding.pod);
  const pod = current.object as Pod;
  if (binding.uid !== "" && binding.uid !== pod.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${binding.uid}, UID in object meta: ${pod.metadata.uid}`;
    throw conflict(resource, binding.pod, why);
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(resource, binding.pod, `pod ${binding.pod} is being deleted, cannot be assigned to a host`);
  }
  const { nodeName } = pod.spec ?? {};
  if (nodeName !== undefined && nodeName !== "") {
    throw conflict(resource, binding.pod, `pod ${binding.pod} is already assigned to node "${nodeName}"`);
  }
  const others = (pod.status?.conditions ?? []).filter((one) => one.type !== "PodScheduled");
  const scheduled = { type: "PodScheduled", status: "True", lastTransitionTime: rfc3339(nowMs) };
  return {
    ...pod,
    spec: { ...pod.spec, nodeName: binding.node },
    status: { ...pod.status, conditions: [...others, scheduled] },
  } as KubeObject;
}
