import { TriremeError, assert, hasCode } from "@trireme/base";
import { type KubeObject, type Resource, alreadyExists, conflict } from "@trireme/api";
import type { Compare, KeyValue, StoreClient, TxnOp, TxnResult } from "@trireme/store-client";
import { fenceCompare, fencedError } from "../auth/fence.ts";
import type { Fence } from "../pipeline/request.ts";
import { decodeObject, encodeObject } from "../storage/codec.ts";
import { fenceKey, keyOfObject, pathOf } from "../storage/keys.ts";
import { StoredObject } from "../storage/stored-object.ts";
import type { WatchCache } from "../storage/watch-cache.ts";

/**
 * Attempts of one write against concurrent writers. Each lost attempt means that somebody else's write succeeded, so a
 * writer that loses this often competes with a crowd, and its client should know.
 */
const MAX_ATTEMPTS = 12;

/** Where an object stands. */
export interface Location {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** Keys that an earlier attempt found other than it believed, as they are now. */
export type Observed = ReadonlyMap<string, KeyValue | undefined>;

/** What a write wants to do to the present state. */
export type Change =
  | {
      /** The new state; undefined removes the object. */
      readonly next: KubeObject | undefined;
      /** What else is believed. When it no longer holds, the decision is made again with what was found. */
      readonly believes?: readonly Compare[];
      /** What else is written, in the same transaction. */
      readonly also?: readonly TxnOp[];
    }
  | "unchanged";

/** Decides on the present state, purely: it may be asked several times. Throws to refuse. */
export type Decide = (current: StoredObject | undefined, observed: Observed) => Change;

/** How a transaction is guarded. */
export interface WriteGuard {
  readonly fence?: Fence | undefined;
  readonly dryRun?: boolean | undefined;
}

/** The state before and after a write; `after` is undefined when the object is gone. */
export interface Outcome {
  readonly before: StoredObject | undefined;
  readonly after: StoredObject | undefined;
  readonly changed: boolean;
}

/**
 * Reads and writes single objects. A write decides on the cached state and lets the transaction prove that it was the
 * present one: the usual write is one round trip. Only when the cache was behind does it decide again on the fresh
 * state, and no refusal is final before it was made on fresh state.
 */
export class ObjectStore {
  private readonly store: StoreClient;
  private readonly cache: WatchCache;

  constructor(store: StoreClient, cache: WatchCache) {
    this.store = store;
    this.cache = cache;
  }

  /** The object as the cache has it. */
  cached(at: Location): StoredObject | undefined {
    return this.cache.of(at.resource).get(pathOf(at.namespace, at.name));
  }

  /** All objects of a cluster-scoped resource as the cache has them. */
  cachedAll(resource: Resource): KubeObject[] {
    return [...this.cache.of(resource).range("")].map((state) => state.object);
  }

  /** The object as the store has it now. */
  async fresh(at: Location): Promise<StoredObject | undefined> {
    const { kvs } = await this.store.range({ key: keyOfObject(at.resource, at.namespace, at.name) });
    return toStored(at, kvs[0]);
  }

  /** The newest state a request can be served from: the cache's if it has the object, else the store's. */
  async cachedOrFresh(at: Location): Promise<StoredObject | undefined> {
    return this.cached(at) ?? (await this.fresh(at));
  }

  /** Changes one object, or creates it when `decide` is given undefined and answers a state. */
  async write(at: Location, guard: WriteGuard, decide: Decide): Promise<Outcome> {
    let current = this.cached(at);
    let isFresh = false;
    let observed: Observed = new Map();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let change: Change | undefined;
      try {
        change = decide(current, observed);
      } catch (thrown) {
        if (isFresh) throw thrown;
      }
      const writes = change !== undefined && change !== "unchanged" && guard.dryRun !== true;
      if (!writes && !isFresh) {
        // A refusal, a no-op and a dry run have no transaction that proves the state: it has to be read.
        const newest = await this.fresh(at);
        isFresh = true;
        const wasPresent = newest?.revision === current?.revision;
        current = newest;
        if (!wasPresent || change === undefined) continue;
      }
      assert(change !== undefined, "a refusal on fresh state was thrown");
      if (change === "unchanged") return { before: current, after: current, changed: false };
      if (!writes) return { before: current, after: asIfWritten(at, change.next, current), changed: true };
      const result = await this.commit(at, current, guard.fence, change);
      if (typeof result === "number") {
        return { before: current, after: toWritten(at, change.next, result), changed: true };
      }
      current = toStored(at, result.object);
      observed = new Map([...observed, ...result.others]);
      isFresh = true;
    }
    throw conflict(at.resource, at.name, `${MAX_ATTEMPTS} attempts lost to concurrent writers; please try again`);
  }

  /** The revision of the write, or what stands in its way. Throws when the fence does. */
  private async commit(
    at: Location,
    current: StoredObject | undefined,
    fence: Fence | undefined,
    change: Exclude<Change, "unchanged">,
  ): Promise<number | Found> {
    const key = keyOfObject(at.resource, at.namespace, at.name);
    const believes = change.believes ?? [];
    const value = change.next === undefined ? undefined : encodeObject(change.next);
    const own: TxnOp = value === undefined ? { deleteRange: { key } } : { put: { key, value } };
    const looks = [key, ...(fence === undefined ? [] : [fenceKey(fence.election)]), ...believes.map((one) => one.key)];
    try {
      const result = await this.store.txn({
        compare: [
          { key, target: "mod", result: "=", value: current?.revision ?? 0 },
          ...(fence === undefined ? [] : [fenceCompare(fence)]),
          ...believes,
        ],
        success: [own, ...(change.also ?? [])],
        failure: looks.map((one) => ({ range: { key: one } })),
      });
      return result.succeeded ? result.revision : readFailure(result, key, believes, fence);
    } catch (thrown) {
      if (!hasCode(thrown, "Unknown") || value === undefined) throw thrown;
      const revision = await this.revisionOfPut(key, value, current);
      if (revision === undefined) throw thrown;
      return revision;
    }
  }

  /**
   * Looks whether a put whose answer was lost has happened: the key holds exactly its bytes, at a later revision. Its
   * absence proves nothing (it may be on its way still), so that then the outcome stays unknown.
   */
  private async revisionOfPut(
    key: string,
    value: Uint8Array,
    current: StoredObject | undefined,
  ): Promise<number | undefined> {
    const { kvs } = await this.store.range({ key });
    const found = kvs[0];
    if (found === undefined || found.modRevision <= (current?.revision ?? 0)) return undefined;
    return Buffer.compare(found.value, value) === 0 ? found.modRevision : undefined;
  }
}

/** Refuses to write over what exists: the first line of a create's decision. */
export function mustNotExist(at: Location, current: StoredObject | undefined): void {
  if (current !== undefined) throw alreadyExists(at.resource, at.name);
}

function toStored(at: Location, kv: KeyValue | undefined): StoredObject | undefined {
  if (kv === undefined) return undefined;
  return new StoredObject(pathOf(at.namespace, at.name), decodeObject(kv.value, kv.modRevision), kv.modRevision);
}

function toWritten(at: Location, object: KubeObject | undefined, revision: number): StoredObject | undefined {
  if (object === undefined) return undefined;
  const metadata = { ...object.metadata, resourceVersion: String(revision) };
  return new StoredObject(pathOf(at.namespace, at.name), { ...object, metadata }, revision);
}

/** What a dry run answers: the state as it would be, under the version that is there now. */
function asIfWritten(
  at: Location,
  object: KubeObject | undefined,
  current: StoredObject | undefined,
): StoredObject | undefined {
  if (object === undefined) return undefined;
  const { resourceVersion: _, ...metadata } = object.metadata;
  const stamped = current === undefined ? metadata : { ...metadata, resourceVersion: String(current.revision) };
  return new StoredObject(pathOf(at.namespace, at.name), { ...object, metadata: stamped }, current?.revision ?? 0);
}

interface Found {
  readonly object: KeyValue | undefined;
  readonly others: ReadonlyMap<string, KeyValue | undefined>;
}

/** Reads the failure branch of {@link ObjectStore.write}'s transaction; throws when the fence was what failed. */
function readFailure(result: TxnResult, key: string, believes: readonly Compare[], fence: Fence | undefined): Found {
  const kvs = result.responses.map((response) => {
    assert("range" in response, `the failure branch of a write to ${key} reads only`);
    return response.range.kvs[0];
  });
  let at = 1;
  if (fence !== undefined) {
    const present = kvs[at]?.modRevision ?? 0;
    if (present !== fence.revision) throw fencedError(fence, present);
    at += 1;
  }
  return { object: kvs[0], others: new Map(believes.map((one, i) => [one.key, kvs[at + i]])) };
}

/** Parses a resourceVersion that a client sent for a single object. */
export function parseRevision(text: string, field = "resourceVersion"): number {
  if (!/^[0-9]{1,16}$/.test(text)) {
    throw new TriremeError(
      "BadRequest",
      `${field}: Invalid value: "${text}": must be a resource version that this API gave out`,
    );
  }
  return Number(text);
}
