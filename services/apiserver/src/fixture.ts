/** An apiserver without doors, over a store in memory: what the tests here stand on. */
import { generateKeyPairSync } from "node:crypto";
import { type Clock, systemClock } from "@trireme/base";
import { type KubeObject, RESOURCES, type Resource, resourceForKind } from "@trireme/api";
import { type StoreClient, createMemoryStore } from "@trireme/store-client";
import { silentLogger } from "@trireme/telemetry";
import { Authorizer } from "./auth/authorizer.ts";
import { tokenKeyFromPem } from "./auth/tokens/jwt.ts";
import type { SigningKeys } from "./auth/tokens/signing-keys.ts";
import { TokenAuthority } from "./auth/tokens/token-authority.ts";
import { writeRestriction } from "./auth/write-restriction.ts";
import { bootstrap } from "./bootstrap.ts";
import { Agents } from "./pipeline/agents.ts";
import { RequestPipeline } from "./pipeline/pipeline.ts";
import { PodLogs } from "./pipeline/pod-logs.ts";
import { PodStreams } from "./pipeline/pod-streams.ts";
import type { Caller } from "./pipeline/request.ts";
import { Bindings } from "./registry/binding.ts";
import { parseBlock } from "./registry/ipv4.ts";
import { Lists } from "./registry/lists.ts";
import { ObjectStore } from "./registry/object-store.ts";
import { Registry } from "./registry/registry.ts";
import { ConsistentReads } from "./storage/consistent-reads.ts";
import { WatchCache } from "./storage/watch-cache.ts";

/** An administrator. */
export const ADMIN: Caller = { user: { name: "admin", groups: ["system:masters"] }, userAgent: "test/1" };

/** A caller by name and groups. */
export function callerNamed(name: string, ...groups: string[]): Caller {
  return { user: { name, groups: [...groups, "system:authenticated"] }, userAgent: "test/1" };
}

/** The parts that tests reach for. */
export interface Fixture {
  readonly store: StoreClient;
  readonly cache: WatchCache;
  readonly pipeline: RequestPipeline;
  /** Creates an object, its resource and namespace taken from itself. */
  create(object: KubeObject, caller?: Caller): Promise<KubeObject>;
  stop(): Promise<void>;
}

const KEY = tokenKeyFromPem(
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  "the fixture",
);
/** What pipelines of this process sign tokens with. */
export const KEYS: SigningKeys = { signing: KEY, verifying: new Map([[KEY.id, KEY]]) };

/** Starts a pipeline; several may share one store, as servers do. */
export async function startPipeline(
  store = createMemoryStore(),
  clock: Clock = systemClock,
  rootCa?: string,
): Promise<Fixture> {
  const log = silentLogger;
  const cache = new WatchCache({ store, resources: RESOURCES, clock, log });
  const reads = new ConsistentReads(store, cache);
  const objects = new ObjectStore(store, cache);
  const agents = new Agents(objects, "/nonexistent", silentLogger);
  const ranges = {
    services: parseBlock("10.96.0.0/16"),
    pods: parseBlock("10.244.0.0/16"),
    nodePorts: { from: 30_000, to: 32_767 },
    claims: cache.claims.bind(cache),
  };
  const authorizer = new Authorizer(cache);
  const pipeline = new RequestPipeline({
    authorizer,
    tokens: new TokenAuthority(KEYS, objects, reads, clock),
    cache,
    reads,
    lists: new Lists(store, cache, reads),
    objects,
    registry: new Registry(objects, ranges, clock, writeRestriction(authorizer), rootCa),
    bindings: new Bindings(objects, store, clock),
    logs: new PodLogs(agents),
    streams: new PodStreams(agents),
    clock,
  });
  await cache.start();
  const signal = new AbortController().signal;
  await bootstrap({
    pipeline,
    cache,
    reads,
    serviceCidr: "10.96.0.0/16",
    apiServers: ["10.0.0.1:6443"],
    founder: undefined,
    log,
    signal,
  });
  authorizer.begin();
  return {
    store,
    cache,
    pipeline,
    async create(object, caller = ADMIN) {
      const resource = resourceForKind(object.apiVersion!, object.kind!) as Resource;
      const namespace = resource.namespaced ? (object.metadata.namespace ?? "default") : undefined;
      return (await pipeline.create(caller, { resource, namespace }, object, { fieldValidation: "Strict" })).object;
    },
    async stop() {
      cache.stop();
      await store.close();
    },
  };
}

/** A pod that passes validation. */
export function podNamed(name: string, extra: { nodeName?: string; labels?: Record<string, string> } = {}): KubeObject {
  const { nodeName, labels } = extra;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    spec: { containers: [{ name: "c", image: "x:1" }], ...(nodeName === undefined ? {} : { nodeName }) },
  } as KubeObject;
}
