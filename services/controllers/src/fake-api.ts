/**
 * A small API and caches that lag behind it for as long as a test likes: what the shells here are tested on. Not for
 * production code.
 */
import type { KubeObject, Resource } from "@trireme/api";
import { ManualClock, TriremeError, createPrng } from "@trireme/base";
import type { ApiClient, DeleteOptions, PatchOptions, ResourceClient } from "@trireme/client";
import type { Change, EventRecorder, Informer } from "@trireme/controller";
import { silentLogger } from "@trireme/telemetry";
import { type ControllerContext, addIndexes } from "./context.ts";

/** What a test may do to a write: let it be, refuse it, or let it happen and lose the answer. */
export type Fate = "ok" | "lost answer" | TriremeError;

interface Entry {
  readonly resource: string;
  readonly change: Change<KubeObject>;
  readonly revision: number;
}

/** A copy of one resource that shows what was delivered to it. */
class FakeInformer implements Informer<KubeObject> {
  readonly synced = Promise.resolve();
  readonly hasSynced = true;
  readonly mode = "watch";
  revision = 0;
  private readonly objects = new Map<string, KubeObject>();
  private readonly indexes = new Map<string, (object: KubeObject) => readonly string[]>();
  private readonly listeners = new Set<(change: Change<KubeObject>) => void>();

  get(namespace: string, name: string): KubeObject | undefined {
    return this.objects.get(`${namespace}/${name}`);
  }

  list(namespace?: string): readonly KubeObject[] {
    return [...this.objects.values()].filter((one) => namespace === undefined || one.metadata.namespace === namespace);
  }

  byIndex(name: string, value: string): readonly KubeObject[] {
    return this.list().filter((one) => this.indexes.get(name)!(one).includes(value));
  }

  addIndex(name: string, indexOf: (object: KubeObject) => readonly string[]): void {
    this.indexes.set(name, indexOf);
  }

  onChange(listener: (change: Change<KubeObject>) => void): () => void {
    this.listeners.add(listener);
    for (const [key, object] of this.objects) listener({ type: "added", key, object });
    return () => this.listeners.delete(listener);
  }

  apply({ change, revision }: Entry): void {
    this.revision = revision;
    if (change.type === "deleted") this.objects.delete(change.key);
    else this.objects.set(change.key, change.object);
    for (const listener of this.listeners) listener(change);
  }

  start(): void {}
  stop(): void {}
}

/** The API, its caches, and a context for controllers. */
export class FakeCluster {
  readonly clock = new ManualClock(Date.parse("2026-11-22T10:00:00Z"));
  readonly told: string[] = [];
  readonly requests: string[] = [];
  /** Decides what becomes of each write. */
  fate: (request: string) => Fate = () => "ok";
  readonly context: ControllerContext;
  private readonly objects = new Map<string, KubeObject>();
  private readonly undelivered: Entry[] = [];
  private readonly informers = new Map<string, FakeInformer>();
  private revision = 0;
  private uid = 0;

  constructor() {
    const informer = (resource: string): never => this.informer(resource) as never;
    const caches = {
      pods: informer("pods"),
      replicaSets: informer("replicasets"),
      deployments: informer("deployments"),
      services: informer("services"),
      endpointSlices: informer("endpointslices"),
      nodes: informer("nodes"),
      namespaces: informer("namespaces"),
    };
    addIndexes(caches);
    const tell = (object: KubeObject, reason: string, message: string): void =>
      void this.told.push(`${object.kind} ${object.metadata.name}: ${reason}: ${message}`);
    const events: EventRecorder = { normal: tell, warning: tell, stop() {} };
    const client = { resource: (resource: Resource, namespace?: string) => this.resource(resource, namespace) };
    this.context = {
      client: client as unknown as ApiClient,
      caches,
      clock: this.clock,
      prng: createPrng(1),
      events,
      log: silentLogger,
    };
  }

  /** The copy of one resource, to be asked for before anything is delivered. */
  informer<T extends KubeObject>(resource: string): Informer<T> {
    const informer = this.informers.get(resource) ?? new FakeInformer();
    this.informers.set(resource, informer);
    // Tests put the right kinds in; the fake does not look.
    return informer as unknown as Informer<T>;
  }

  /** Objects of one resource as the API has them. */
  list(resource: string): KubeObject[] {
    return [...this.objects].filter(([key]) => key.startsWith(`${resource}/`)).map(([, object]) => object);
  }

  /** Creates or replaces an object behind the controllers' backs. */
  put(resource: Resource, object: KubeObject): KubeObject {
    return this.store(resource.resource, object);
  }

  /** Removes an object behind the controllers' backs. */
  remove(resource: Resource, namespace: string, name: string): void {
    const key = `${resource.resource}/${namespace}/${name}`;
    const object = this.objects.get(key);
    if (object === undefined) return;
    this.objects.delete(key);
    this.note(resource.resource, { type: "deleted", key: `${namespace}/${name}`, object });
  }

  /** Shows the caches the next events, by default all of them. */
  deliver(count = this.undelivered.length): void {
    for (const entry of this.undelivered.splice(0, count)) this.informers.get(entry.resource)?.apply(entry);
  }

  private store(resource: string, object: KubeObject): KubeObject {
    const { namespace = "", name } = object.metadata;
    const key = `${resource}/${namespace}/${name}`;
    const old = this.objects.get(key);
    const uid = old?.metadata.uid ?? object.metadata.uid ?? `uid-${(this.uid += 1)}`;
    const stored = { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(this.revision + 1) } };
    this.objects.set(key, stored);
    const change = { key: `${namespace}/${name}`, object: stored };
    this.note(resource, old === undefined ? { type: "added", ...change } : { type: "modified", ...change, old });
    return stored;
  }

  private note(resource: string, change: Change<KubeObject>): void {
    this.revision += 1;
    this.undelivered.push({ resource, change, revision: this.revision });
  }

  private resource(resource: Resource, namespace = ""): Partial<ResourceClient<KubeObject>> {
    const { resource: plural } = resource;
    const find = (name: string): KubeObject => {
      const found = this.objects.get(`${plural}/${namespace}/${name}`);
      if (found === undefined) throw new TriremeError("NotFound", `${plural} "${name}" not found`);
      return found;
    };
    const write = async <T>(request: string, effect: () => T): Promise<T> => {
      this.requests.push(request);
      const fate = this.fate(request);
      if (typeof fate !== "string") throw fate;
      const answer = effect();
      if (fate === "lost answer") throw new TriremeError("Unknown", `${request}: no answer came`);
      return answer;
    };
    const checked = (object: KubeObject): KubeObject => {
      const current = find(object.metadata.name);
      const { resourceVersion } = object.metadata;
      if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
        throw new TriremeError("Conflict", `${plural} "${object.metadata.name}" has changed`);
      }
      return current;
    };
    return {
      get: async (name) => find(name),
      list: async () => ({ items: this.list(plural), resourceVersion: String(this.revision) }),
      create: (object) =>
        write(`create ${plural}`, () => {
          if (this.objects.has(`${plural}/${namespace}/${object.metadata.name}`)) {
            throw new TriremeError("AlreadyExists", `${plural} "${object.metadata.name}" already exists`);
          }
          return this.store(plural, object);
        }),
      update: (object) => write(`update ${plural}`, () => (checked(object), this.store(plural, object))),
      updateStatus: (object) =>
        write(`status ${plural}`, () => {
          const { status } = object as KubeObject & { status: unknown };
          return this.store(plural, { ...checked(object), status } as KubeObject);
        }),
      patch: (name: string, { body }: PatchOptions) =>
        write(`patch ${plural}`, () => {
          const { metadata } = body as { metadata: Partial<KubeObject["metadata"]> };
          const current = checked({ metadata: { ...metadata, name } });
          return this.store(plural, { ...current, metadata: { ...current.metadata, ...metadata } });
        }),
      delete: (name: string, options?: DeleteOptions) =>
        write(`delete ${plural}`, () => {
          const { uid } = find(name).metadata;
          const wanted = options?.preconditions?.uid;
          if (wanted !== undefined && wanted !== uid) throw new TriremeError("Conflict", `${name} is another`);
          this.remove(resource, namespace, name);
          return {};
        }),
    };
  }
}
