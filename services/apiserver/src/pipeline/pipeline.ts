import { type Clock, TriremeError, hasCode } from "@trireme/base";
import {
  type Binding,
  type Eviction,
  type KubeObject,
  type Resource,
  decodeStrict,
  notFound,
  parseFieldSelector,
} from "@trireme/api";
import * as api from "@trireme/api";
import { checkFenceIdentity } from "../auth/fence.ts";
import type { Authorizer, RulesOfUser } from "../auth/authorizer.ts";
import { impersonated, impersonationRights } from "../auth/impersonation.ts";
import { type Attributes, type Decision, forbiddenMessage } from "../auth/policy.ts";
import type { TokenAuthority } from "../auth/tokens/token-authority.ts";
import type { User } from "../auth/user.ts";
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
import { answerReview, isReview } from "./reviews.ts";
import { createToken, reviewToken } from "./token-requests.ts";
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
  readonly authorizer: Authorizer;
  readonly tokens: TokenAuthority;
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

  /** Throws the 403 that says who may not do what. `fieldSelector` may narrow a list to what the caller may see. */
  async authorize(caller: Caller, verb: string, target: Target, fieldSelector?: string): Promise<void> {
    checkFenceIdentity(caller.actor ?? caller.user, caller.fence);
    checkVerb(verb, target);
    const want = wantOf(verb, target, fieldSelector);
    refuse(caller.user, want, await this.decide(caller.user, want));
  }

  /** Whether a user may do something; a refusal is made on the newest state. */
  async decide(user: User, want: Attributes): Promise<Decision> {
    return this.onFreshState(() => this.parts.authorizer.authorize(user, want));
  }

  /** As {@link decide}, for paths that lead to no resource. */
  async decidePath(user: User, verb: string, path: string): Promise<Decision> {
    return this.onFreshState(() => this.parts.authorizer.authorizePath(user, verb, path));
  }

  /** All that a user may do in a namespace. */
  rulesOf(user: User, namespace: string): RulesOfUser {
    return this.parts.authorizer.rulesOf(user, namespace);
  }

  /** Whose token this is, for those who may ask. */
  reviewToken(review: api.TokenReview): Promise<NonNullable<api.TokenReview["status"]>> {
    return reviewToken(this.parts.tokens, review);
  }

  /** The caller in the role of somebody else; throws the 403 that says whom it may not act as. */
  async actAs(caller: Caller, user: User): Promise<Caller> {
    for (const want of impersonationRights(user)) refuse(caller.user, want, await this.decide(caller.user, want));
    return { ...caller, user: impersonated(user), actor: caller.actor ?? caller.user };
  }

  /** No refusal is final before it was made on fresh state: a role that was just given may be on its way to our cache. */
  private async onFreshState(decide: () => Decision): Promise<Decision> {
    const decision = decide();
    if (decision.allowed) return decision;
    // Without the store there is nothing newer than what we have, and the refusal stands.
    const isFresh = await this.parts.reads.fresh().catch(() => false);
    return isFresh ? decide() : decision;
  }

  async get(caller: Caller, target: NamedTarget, resourceVersion = ""): Promise<StoredObject> {
    await this.authorize(caller, "get", target);
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
    await this.authorize(caller, "list", target, options.fieldSelector);
    return this.parts.lists.list(target.resource, target.namespace, options);
  }

  async watch(caller: Caller, target: Target, options: WatchOptions): Promise<WatchSession> {
    await this.authorize(caller, "watch", target, options.fieldSelector);
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
    await this.authorize(caller, "create", target);
    if (isReview(target.resource)) return answerReview(this, caller, target, body, options);
    if (target.resource.resource === "serviceaccounts" && target.subresource === "token" && target.name !== undefined) {
      const { tokens } = this.parts;
      return createToken(tokens, this.reader(), caller.user, { ...target, name: target.name }, body, options);
    }
    const name = target.name ?? nameIn(body);
    if (target.resource.resource === "pods" && target.subresource === "binding") {
      return this.createBinding(caller, { ...target, name }, body, options);
    }
    if (target.resource.resource === "pods" && target.subresource === "eviction") {
      return this.createEviction(caller, { ...target, name }, body, options);
    }
    return this.parts.registry.create(caller, target, body, options);
  }

  async update(caller: Caller, target: NamedTarget, body: unknown, options: WriteOptions): Promise<Written> {
    await this.authorize(caller, "update", target);
    await this.catchUp(body);
    if (target.subresource !== "scale") return this.parts.registry.update(caller, target, body, options);
    const object = await replaceScale(this.parts.registry, caller, target, body, options);
    return { object, created: false, warnings: [] };
  }

  async patch(caller: Caller, target: NamedTarget, options: PatchOptions): Promise<Written> {
    await this.authorize(caller, "patch", target);
    await this.catchUp(options.body);
    if (target.subresource !== "scale") {
      return this.parts.registry.patch(caller, target, options, await this.creationRight(caller, target, options));
    }
    const at = { ...target, namespace: target.resource.namespaced ? target.namespace : undefined };
    const current = await this.parts.objects.cachedOrFresh(at);
    const object = await patchScale(this.parts.registry, caller, target, current?.object, options);
    return { object, created: false, warnings: [] };
  }

  async delete(caller: Caller, target: NamedTarget, options: DeletionOptions): Promise<Deleted> {
    await this.authorize(caller, "delete", target);
    return this.parts.registry.delete(caller, target, options);
  }

  /** Deletes everything a list finds; answers what it found. */
  async deleteCollection(
    caller: Caller,
    target: Target,
    list: ListOptions,
    options: DeletionOptions,
  ): Promise<ListResult> {
    await this.authorize(caller, "deletecollection", target, list.fieldSelector);
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
  async bindAll(caller: Caller, bindings: readonly PodBinding[]): Promise<BindingOutcome[]> {
    for (const { namespace, pod } of bindings) await this.authorize(caller, "create", bindingTarget(namespace, pod));
    return this.parts.bindings.bindAll(caller, bindings);
  }

  /** A pod's log as a stream of bytes. */
  async logs(
    caller: Caller,
    target: NamedTarget,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    await this.authorize(caller, "get", { ...target, subresource: "log" });
    return this.parts.logs.open(await this.podNow(target), query, signal);
  }

  /** Opens a stream into a pod. */
  async stream(
    caller: Caller,
    verb: string,
    target: NamedTarget,
    kind: StreamKind,
    query: URLSearchParams,
    head: UpgradeHead,
    signal: AbortSignal,
  ): Promise<Tunnel> {
    return this.parts.streams.open(await this.podToStream(caller, verb, target, kind), kind, query, head, signal);
  }

  /**
   * The pod of a stream, for whoever may open it. Whoever may only read must not get in by the method GET: `create` is asked
   * for always.
   */
  async podToStream(caller: Caller, verb: string, target: NamedTarget, kind: StreamKind): Promise<KubeObject> {
    for (const asked of new Set([verb, "create"]))
      await this.authorize(caller, asked, { ...target, subresource: kind });
    return this.podNow(target);
  }

  /** What an apply that finds nothing asks before it creates. Decided ahead, since the registry decides synchronously. */
  private async creationRight(caller: Caller, target: NamedTarget, { type }: PatchOptions): Promise<() => void> {
    if (type !== "apply") return () => {};
    const want = wantOf("create", target);
    const decision = await this.decide(caller.user, want);
    return () => refuse(caller.user, want, decision);
  }

  private async podNow(target: NamedTarget): Promise<KubeObject> {
    const pod = await this.objectNow(target);
    if (pod === undefined) throw notFound(target.resource, target.name);
    return pod;
  }

  private objectNow(at: NamedTarget): Promise<KubeObject | undefined> {
    return this.reader()(at);
  }

  /** Reads objects as they are now: one question to the store for all of them. */
  private reader(): (at: NamedTarget) => Promise<KubeObject | undefined> {
    const { reads, objects } = this.parts;
    let isFresh: Promise<boolean> | undefined;
    return async ({ resource, namespace, name }) => {
      const at = { resource, namespace, name };
      // Asked with the first read: a request that is refused before it would leave nobody to hear of a failure.
      isFresh ??= reads.fresh();
      return ((await isFresh) ? objects.cached(at) : await objects.fresh(at))?.object;
    };
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

/** Questions can be asked and nothing else; no door may reach for a store or cache of them. */
function checkVerb(verb: string, { resource }: Target): void {
  if (!isReview(resource) || resource.verbs.includes(verb)) return;
  throw new TriremeError("MethodNotAllowed", `the server does not allow this method on the requested resource`);
}

/** What a request wants, for authorizers. */
function wantOf(verb: string, { resource, namespace, name, subresource }: Target, fieldSelector?: string): Attributes {
  const fields = narrowedTo(fieldSelector);
  return {
    verb,
    group: resource.group,
    resource: resource.resource,
    subresource,
    // A Namespace is in itself, as in Kubernetes: a role that is bound in it may allow to read it.
    namespace: resource.namespaced ? namespace : resource.resource === "namespaces" ? name : undefined,
    name: name ?? fields.get("metadata.name"),
    nodeName: fields.get("spec.nodeName"),
  };
}

/** The fields that a selector admits one value of. One that is not well formed narrows nothing; it is refused later. */
function narrowedTo(fieldSelector: string | undefined): ReadonlyMap<string, string> {
  if (fieldSelector === undefined || fieldSelector === "") return new Map();
  try {
    return new Map(
      parseFieldSelector(fieldSelector)
        .filter((one) => one.op === "=")
        .map((one) => [one.field, one.value]),
    );
  } catch {
    return new Map();
  }
}

function refuse(user: User, want: Attributes, decision: Decision): void {
  if (decision.allowed) return;
  const { group, resource, name } = want;
  throw new TriremeError("Forbidden", forbiddenMessage(user, want, decision.reason), {
    details: { group, kind: resource, ...(name === undefined ? {} : { name }) },
  });
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

function nameIn(body: unknown): string {
  const name = (body as { metadata?: { name?: unknown } } | null)?.metadata?.name;
  return typeof name === "string" ? name : "";
}
