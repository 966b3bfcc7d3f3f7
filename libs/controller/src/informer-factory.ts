import type { Clock } from "@trireme/base";
import { type Bus, eventSubject } from "@trireme/bus";
import type { ApiClient, ApiObject, ResourceRef } from "@trireme/client";
import type { Logger, Registry } from "@trireme/telemetry";
import type { Informer, ListWatch } from "./informer-types.ts";
import { createInformer } from "./informer.ts";

/** Which objects of a resource an informer keeps, if not all. */
export interface InformerScope<T extends ApiObject> {
  readonly namespace?: string;
  /** e.g. `spec.nodeName=node1`; give `matches` with it. */
  readonly fieldSelector?: string;
  readonly matches?: (object: T) => boolean;
  /**
   * The stream of exactly these objects, or `null` to watch the API alone. Default: the resource's stream for an
   * unrestricted informer, none for a restricted one.
   */
  readonly subject?: string | null;
}

/** What a factory's informers share. */
export interface InformerFactoryOptions {
  readonly client: ApiClient;
  /** Without a bus everything is watched through the API. */
  readonly bus?: Bus;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly registry?: Registry;
}

/** Lists and watches of one resource that ended so, counts. A watch that was too old ended well. */
export interface ApiReads {
  readonly resource: string;
  readonly result: "success" | "error";
  lists: number;
  watches: number;
}

/** The informers of one process: asked twice for the same objects it answers the same informer. */
export interface InformerFactory {
  /** Asks for an informer; it is started with the others, or at once if they have been. */
  informer<T extends ApiObject>(resource: ResourceRef, scope?: InformerScope<T>): Informer<T>;
  start(): void;
  /** Resolves when every informer asked for so far has its first list. */
  synced(): Promise<void>;
  /** How the reads of the API ended so far, all informers of a resource together. */
  reads(): readonly ApiReads[];
  stop(): void;
}

/** Never on the bus: not on a stream for anyone. */
const NOT_STREAMED: ReadonlySet<string> = new Set(["secrets", "configmaps"]);

/** The reads that an informer needs, of a typed client. */
export function listWatchOf<T extends ApiObject>(
  client: ApiClient,
  resource: ResourceRef,
  namespace?: string,
): ListWatch<T> {
  const objects = client.resource<T>(resource, namespace);
  return {
    list: (options) => objects.list(options),
    watch: (options, onEvent) => objects.watch(options, onEvent),
    get: (inNamespace, name) => client.resource<T>(resource, resource.namespaced ? inNamespace : undefined).get(name),
  };
}

/** Creates a factory of shared informers. */
export function createInformerFactory(options: InformerFactoryOptions): InformerFactory {
  const informers = new Map<string, Informer<ApiObject>>();
  const reads = new Map<string, ApiReads>();
  let started = false;

  function count(resource: string, kind: "list" | "watch", ok: boolean): void {
    const result = ok ? "success" : "error";
    const known = reads.get(`${resource} ${result}`) ?? { resource, result, lists: 0, watches: 0 };
    known[kind === "list" ? "lists" : "watches"] += 1;
    reads.set(`${resource} ${result}`, known);
  }

  function subjectOf(resource: ResourceRef, scope: InformerScope<never>): string | undefined {
    if (scope.subject !== undefined) return scope.subject ?? undefined;
    const restricted = scope.namespace !== undefined || scope.fieldSelector !== undefined;
    return restricted || NOT_STREAMED.has(resource.resource) ? undefined : eventSubject(resource);
  }

  return {
    informer<T extends ApiObject>(resource: ResourceRef, scope: InformerScope<T> = {}): Informer<T> {
      const subject = subjectOf(resource, scope as InformerScope<never>);
      const id = [resource.resource, resource.group, scope.namespace, scope.fieldSelector, subject].join("|");
      const known = informers.get(id);
      // The key names the resource, and with it the type of its objects.
      if (known !== undefined) return known as unknown as Informer<T>;
      const { client, bus, clock, log, registry } = options;
      const informer = createInformer<T>({
        name: resource.resource,
        onRead: (kind, ok) => count(resource.resource, kind, ok),
        listWatch: listWatchOf(client, resource, scope.namespace),
        ...(scope.fieldSelector === undefined ? {} : { fieldSelector: scope.fieldSelector }),
        ...(scope.matches === undefined ? {} : { matches: scope.matches }),
        ...(bus === undefined || subject === undefined ? {} : { stream: { bus, subject } }),
        ...(clock === undefined ? {} : { clock }),
        ...(log === undefined ? {} : { log }),
        ...(registry === undefined ? {} : { registry }),
      });
      informers.set(id, informer as unknown as Informer<ApiObject>);
      if (started) informer.start();
      return informer;
    },
    start() {
      started = true;
      for (const informer of informers.values()) informer.start();
    },
    async synced() {
      await Promise.all([...informers.values()].map((informer) => informer.synced));
    },
    reads: () => [...reads.values()],
    stop() {
      started = false;
      for (const informer of informers.values()) informer.stop();
    },
  };
}
