import { type Clock, TriremeError, hasCode } from "@trireme/base";
import { type Binding, type Eviction, type KubeObject, type Resource, decodeStrict, notFound } from "@trireme/api";
import * as api from "@trireme/api";
import { checkFenceIdentity } from "../auth/fence.ts";
import { forbiddenMessage, isAllowed } from "../auth/policy.ts";
import { isReview, reviewed } from "../auth/reviews.ts";
import { type BindingOutcome, type Bindings, type PodBinding } from "../registry/binding.ts";
import { adoptPath } from "../registry/metadata.ts";
import type { Lists } from "../registry/lists.ts";
import { type ObjectStore, parseRevision } from "../registry/object-store.ts";
import type { Registry } from "../registry/registry.ts";
import { patchScale, replaceScale, scaleOf } from "../registry/scaling.ts";
import { selectionOf } from "../registry/selection.ts";
import type { ConsistentReads } from "../storage/consistent-reads.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import { WatchSession } from "../storage/watch-session.ts";
import type { PodLogs } from "./pod-logs.ts";
import type { PodStreams, StreamKind, Tunnel, UpgradeHead } from "./pod-streams.ts";
import type {
  Caller,
  Deleted,
  DeletionOptions,
  ListOptions,
  ListResult,
  NamedTarget,
  PatchOptions,
  Target,
  WatchOptions,
  WriteOptions,
  Written,
} from "./request.ts";

/** Deletes under way at once when a whole collection goes. */
const COLLECTION_CONCURRENCY = 16;

/**
 * A write that names a version which this server has not seen yet waits this long for it: the writer just got it from
 * another server, or from us ahead of our own cache.
 */
const WRITE_CATCH_UP_MS = 100;

/** The parts behind the doors. */
export interface PipelineParts {
  readonly cache: WatchCache;
  readonly reads: ConsistentReads;
  readonly lists: Lists;
  readonly objects: ObjectStore;
  readonly registry: Registry;
  readonly bindings: Bindings;
  readonly logs: PodLogs;
  readonly streams: PodStreams;
  readonly clock: Clock;
}

/** What every request passes, whichever door it came by: authorization, then the registry. */
export class RequestPipeline {
  private readonly parts: PipelineParts;
  private readonly sessions = new Set<WatchSession>();

  constructor(parts: PipelineParts) {
    this.parts = parts;
  }

  /** Throws the 403 that says who may not do what. */
  authorize(caller: Caller, verb: string, target: Target): void {
    checkFenceIdentity(caller.user, caller.fence);
    const { resource, namespace, name, subresource } = target;
    const want = { verb, group: resource.group, resource: resource.resource, subresource, namespace, name };
    if (isAllowed(caller.user, want)) return;
    throw new TriremeError("Forbidden", forbiddenMessage(caller.user, want), {
      details: { group: resource.group, kind: resource.resource, ...(name === undefined ? {} : { name }) },
    });
  }

  async get(caller: Caller, target: NamedTarget, resourceVersion = ""): Promise<StoredObject> {
    this.authorize(caller, "get", target);
    const { cache, reads, objects } = this.parts;
    const at = { ...target, namespace: target.resource.namespaced ? target.namespace : undefined };
    let fromCache: boolean;
    if (resourceVersion === "") fromCache = await reads.fresh();
    else {
      const revision = parseRevision(resourceVersion);
      if (revision > 0) await reads.notOlderThan(revision);
      fromCache = cache.synced;
    }
    const found = fromCache ? objects.cached(at) : await objects.fresh(at);
    if (found === undefined) throw notFound(target.resource, target.name);
    return found;
  }

  /** The scale view of an object. */
  async getScale(caller: Caller, target: NamedTarget, resourceVersion?: string): Promise<KubeObject> {
    return scaleOf((await this.get(caller, target, resourceVersion)).object);
  }

  async list(caller: Caller, target: Target, options: ListOptions): Promise<ListResult> {
    this.authorize(caller, "list", { ...target, name: nameOf(target, options.fieldSelector) });
    return this.parts.lists.list(target.resource, target.namespace, options);
  }

  async watch(caller: Caller, target: Target, options: WatchOptions): Promise<WatchSession> {
    this.authorize(caller, "watch", { ...target, name: nameOf(target, options.fieldSelector) });
    const { resource, namespace } = target;
    const selection = selectionOf(resource, options.labelSelector, options.fieldSelector);
    const { cache, reads, clock } = this.parts;
    const session = await WatchSession.open(cache, reads, clock, { resource, namespace, selection }, options);
    this.sessions.add(session);
    session.whenEnded(() => this.sessions.delete(session));
    return session;
  }

  /** Ends every watch, so that its client goes on at another server. */
  endWatches(): void {
    for (const session of this.sessions) session.close();
  }

  async create(caller: Caller, target: Target, body: unknown, options: WriteOptions): Promise<Written> {
    const name = target.name ?? nameIn(body);
    this.authorize(caller, "create", { ...target, name });
    if (target.resource.resource === "pods" && target.subresource === "binding") {
      return this.createBinding(caller, { ...target, name }, body, options);
    }
    if (target.resource.resource === "pods" && target.subresource === "eviction") {
      return this.createEviction(caller, { ...target, name }, body, options);
    }
    if (isReview(target.resource)) {
      const { object, warnings } = decodeStrict(target.resource, body, options.fieldValidation ?? "Ignore");
      return { object: reviewed(target.resource, caller.user, object), created: true, warnings };
    }
    return this.parts.registry.create(caller, target, body, options);
  }

  async update(caller: Caller, target: NamedTarget, body: unknown, options: WriteOptions): Promise<Written> {
    this.authorize(caller, "update", target);
    await this.catchUp(body);
    if (target.subresource !== "scale") return this.parts.registry.update(caller, target, body, options);
    const object = await replaceScale(this.parts.registry, caller, target, body, options);
    return { object, created: false, warnings: [] };
  }

  async patch(caller: Caller, target: NamedTarget, options: PatchOptions): Promise<Written> {
    this.authorize(caller, "patch", target);
    await this.catchUp(options.body);
    if (target.subresource !== "scale") {
      return this.parts.registry.patch(caller, target, options, () => this.authorize(caller, "create", target));
    }
    const at = { ...target, namespace: target.resource.namespaced ? target.namespace : undefined };
    const current = await this.parts.objects.cachedOrFresh(at);
    const object = await patchScale(this.parts.registry, caller, target, current?.object, options);
    return { object, created: false, warnings: [] };
  }

  delete(caller: Caller, target: NamedTarget, options: DeletionOptions): Promise<Deleted> {
    this.authorize(caller, "delete", target);
    return this.parts.registry.delete(caller, target, options);
  }

  /** Deletes everything a list finds; answers what it found. */
  async deleteCollection(
    caller: Caller,
    target: Target,
    list: ListOptions,
    options: DeletionOptions,
  ): Promise<ListResult> {
    this.authorize(caller, "deletecollection", target);
    const found = await this.parts.lists.list(target.resource, target.namespace, list);
    const queue = [...found.items];
    const work = async (): Promise<void> => {
      for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
        const { name, namespace, uid } = state.object.metadata;
        try {
          const named: NamedTarget = { resource: target.resource, namespace, name: name! };
          await this.parts.registry.delete(caller, named, { ...options, uid });
        } catch (thrown) {
          // Somebody else's delete, or a successor of the same name, is no failure of ours.
          if (!hasCode(thrown, "NotFound") && !hasCode(thrown, "Conflict")) throw thrown;
        }
      }
    };
    await Promise.all(Array.from({ length: COLLECTION_CONCURRENCY }, work));
    return found;
  }

  /** Binds many pods in one fenced transaction. */
  bindAll(caller: Caller, bindings: readonly PodBinding[]): Promise<BindingOutcome[]> {
    for (const { namespace, pod } of bindings) this.authorize(caller, "create", bindingTarget(namespace, pod));
    return this.parts.bindings.bindAll(caller, bindings);
  }

  /** A pod's log as a stream of bytes. */
  async logs(
    caller: Caller,
    target: NamedTarget,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    this.authorize(caller, "get", { ...target, subresource: "log" });
    return this.parts.logs.open(await this.podNow(target), query, signal);
  }

  /** Opens a stream into a pod. Whoever may only read must not get in by the method GET: `create` is asked for always. */
  async stream(
    caller: Caller,
    verb: string,
    target: NamedTarget,
    kind: StreamKind,
    query: URLSearchParams,
    head: UpgradeHead,
    signal: AbortSignal,
  ): Promise<Tunnel> {
    for (const asked of new Set([verb, "create"])) this.authorize(caller, asked, { ...target, subresource: kind });
    return this.parts.streams.open(await this.podNow(target), kind, query, head, signal);
  }

  private async podNow(target: NamedTarget): Promise<KubeObject> {
    const { reads, objects } = this.parts;
    const at = { resource: target.resource, namespace: target.namespace, name: target.name };
    const pod = (await reads.fresh()) ? objects.cached(at) : await objects.fresh(at);
    if (pod === undefined) throw notFound(target.resource, target.name);
    return pod.object;
  }

  private async createBinding(caller: Caller, target: Target, body: unknown, options: WriteOptions): Promise<Written> {
    const decoded = decodeStrict(api.Binding, body, options.fieldValidation ?? "Ignore");
    const kind = { group: "", version: "v1", kind: "Binding", namespaced: true };
    const binding = adoptPath(kind, decoded.object as Binding, target.namespace, target.name);
    if (binding.target?.name === undefined || binding.target.name === "") {
      throw new TriremeError("Invalid", 'Binding "" is invalid: target.name: Required value');
    }
    const { name, namespace, uid } = binding.metadata;
    const wanted = { namespace: namespace!, pod: name!, uid: uid ?? "", node: binding.target.name };
    await this.parts.bindings.bind(caller, wanted, options.dryRun);
    return { object: SUCCESS, created: true, warnings: decoded.warnings };
  }

  /** Ends a pod as a delete does, unless a PodDisruptionBudget holds it back. */
  private async createEviction(
    caller: Caller,
    target: NamedTarget,
    body: unknown,
    options: WriteOptions,
  ): Promise<Written> {
    const decoded = decodeStrict(api.Eviction, body, options.fieldValidation ?? "Ignore");
    const kind = { group: "policy", version: "v1", kind: "Eviction", namespaced: true };
    const eviction = adoptPath(kind, decoded.object as Eviction, target.namespace, target.name);
    const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = eviction.deleteOptions ?? {};
    for (const value of dryRun ?? []) {
      if (value === "All") continue;
      throw new TriremeError("BadRequest", `dryRun: Unsupported value: "${value}": supported values: "All"`);
    }
    const budgets = await this.parts.lists.list(api.PODDISRUPTIONBUDGETS as Resource, target.namespace, {});
    const how = {
      gracePeriodSeconds,
      propagationPolicy,
      uid: preconditions?.uid,
      resourceVersion: preconditions?.resourceVersion,
      dryRun: options.dryRun === true || (dryRun ?? []).length > 0,
    };
    await this.parts.registry.evict(caller, target, how, budgets.items);
    return { object: SUCCESS, created: true, warnings: decoded.warnings };
  }

  /** Lets the cache reach the version that a body carries, so that its precondition is checked on the right state. */
  private async catchUp(body: unknown): Promise<void> {
    const version = (body as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion;
    if (typeof version !== "string" || !/^[1-9][0-9]{0,15}$/.test(version)) return;
    const revision = Number(version);
    if (revision > this.parts.cache.revision) await this.parts.cache.waitFor(revision, WRITE_CATCH_UP_MS);
  }
}

/** What the creation of something that is no object answers. */
const SUCCESS = {
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Success",
  code: 201,
} as unknown as KubeObject;

function bindingTarget(namespace: string, name: string): Target {
  return { resource: api.PODS as Resource, namespace, name, subresource: "binding" };
}

/** A list or watch of one name is asked for that name alone, and may be allowed where others are not. */
function nameOf(target: Target, fieldSelector: string | undefined): string | undefined {
  return target.name ?? selectionOf(target.resource, undefined, fieldSelector).name;
}

function nameIn(body: unknown): string {
  const name = (body as { metadata?: { name?: unknown } } | null)?.metadata?.name;
  return typeof name === "string" ? name : "";
}
