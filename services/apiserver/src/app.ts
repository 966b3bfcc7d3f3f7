import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, errorFrom, sleep, systemClock } from "@trireme/base";
import { ENDPOINTSLICES, type EndpointSlice, RESOURCES } from "@trireme/api";
import { type Bus, SampleBook } from "@trireme/bus";
import { LiveIdentity, hostIdOf, publicKeyOf, sharedFolderOf } from "@trireme/pki";
import type { StoreClient } from "@trireme/store-client";
import {
  type Logger,
  MetricsServer,
  type Page,
  type Registry as MetricsRegistry,
  createRegistry,
} from "@trireme/telemetry";
import { Authenticator } from "./auth/authenticator.ts";
import { Authorizer } from "./auth/authorizer.ts";
import { TokenKeyRotator } from "./auth/tokens/key-rotator.ts";
import { SigningKeyFiles } from "./auth/tokens/signing-keys.ts";
import { TokenAuthority } from "./auth/tokens/token-authority.ts";
import { writeRestriction } from "./auth/write-restriction.ts";
import { bootstrap } from "./bootstrap.ts";
import type { ApiserverConfig } from "./config.ts";
import { GrpcDoor } from "./grpc/door.ts";
import { HttpDoor } from "./http/door.ts";
import { Readiness } from "./http/health.ts";
import { Measurements } from "./http/measurements.ts";
import { ResourceDoor } from "./http/resources.ts";
import { tokenKeyPeers } from "./http/token-keys.ts";
import { HttpsServer } from "./http/server.ts";
import { Lanes } from "./lanes.ts";
import type { HostRecord } from "./join/decide.ts";
import { JoinDoor } from "./join/join-door.ts";
import { ServerList } from "./join/server-list.ts";
import { createApiMetrics, renderHealth } from "./metrics.ts";
import { pageJudge } from "./metrics-access.ts";
import { Agents } from "./pipeline/agents.ts";
import { RequestPipeline } from "./pipeline/pipeline.ts";
import { PodLogs } from "./pipeline/pod-logs.ts";
import { PodStreams } from "./pipeline/pod-streams.ts";
import type { AllocationRanges } from "./registry/allocation.ts";
import { Bindings } from "./registry/binding.ts";
import { parseBlock } from "./registry/ipv4.ts";
import { Lists } from "./registry/lists.ts";
import { ObjectStore } from "./registry/object-store.ts";
import { Registry } from "./registry/registry.ts";
import { EventExpiry } from "./relay/event-expiry.ts";
import { Relay } from "./relay/relay.ts";
import { SealingPeers } from "./sealing/peers.ts";
import { sealingFileOf } from "./sealing/ring-file.ts";
import { Rotator } from "./sealing/rotator.ts";
import { sealedStore } from "./sealing/sealed-store.ts";
import { SealingKeys } from "./sealing/sealing-keys.ts";
import { serverAddresses } from "./sealing/server-addresses.ts";
import { ServerPeers } from "./server-peers.ts";
import { startServerRenewal } from "./server-renewal.ts";
import { ConsistentReads } from "./storage/consistent-reads.ts";
import { explainedStore } from "./storage/explained-store.ts";
import { WatchCache } from "./storage/watch-cache.ts";

/**
 * Between failing `/readyz` and refusing connections at shutdown: a balancer asks every 250 ms and must have noticed
 * before the first refusal.
 */
const DRAIN_NOTICE_MS = 600;

/** How long requests under way may take to end at shutdown. */
const DRAIN_MS = 5000;

/** What an apiserver stands on. */
export interface ApiserverDeps {
  readonly store: StoreClient;
  /** Absent: events are not published, and consumers watch the API. */
  readonly bus?: Bus;
  /** Told of every state of the EndpointSlice that lists the servers. */
  readonly onServers?: (slice: EndpointSlice) => void;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly metrics?: MetricsRegistry;
  /** Other components of this server whose metrics are served here, each at `/metrics` of a port of its own. */
  readonly neighbours?: readonly Neighbour[];
}

/** A component whose metrics this process serves, so that one place decides who may read them. */
export interface Neighbour {
  readonly name: string;
  /** 0: not served. */
  readonly port: number;
  readonly page: Page;
}

/** A running (or not yet started) apiserver. */
export interface Apiserver {
  readonly pipeline: RequestPipeline;
  readonly readiness: Readiness;
  /** Listens at once; resolves when the cache has caught up with the store and the cluster's own objects are there. */
  start(): Promise<void>;
  /** Fails readiness, waits for balancers to notice, lets requests end, and closes everything but store and bus. */
  stop(): Promise<void>;
}

/** Puts an apiserver together. Nothing runs before `start`. */
export async function createApiserver(config: ApiserverConfig, deps: ApiserverDeps): Promise<Apiserver> {
  const clock = deps.clock ?? systemClock;
  const { log } = deps;
  const plain = explainedStore(deps.store);
  const own = `${config.address}:${config.restPort}`;
  const servers = new ServerPeers(config.pkiDir, own, () => serverAddresses(plain, config.apiServers));
  const peers = new SealingPeers(servers);
  const keys = new SealingKeys(sealingFileOf(config.pkiDir), plain, log, () => peers.keys());
  const store = sealedStore(plain, keys);
  const rotator = new Rotator({ keys, peers, store: plain, sealed: store, own, clock, log });
  const tls = new LiveIdentity({ dir: config.pkiDir, name: "apiserver" }, (err) => {
    log.error("the server's certificate cannot be followed: the last one stays", { err });
  });
  const cache = new WatchCache({ store, resources: RESOURCES, clock, log });
  const reads = new ConsistentReads(store, cache);
  const objects = new ObjectStore(store, cache);
  const ranges = rangesOf(config, cache);
  const agents = new Agents(objects, config.pkiDir, log);
  const lists = new Lists(store, cache, reads);
  const authorizer = new Authorizer(cache);
  const tokenKeys = new SigningKeyFiles(sharedFolderOf(config.pkiDir), () => clock.now());
  const tokens = new TokenAuthority(tokenKeys, objects, reads, clock);
  const keyRotator = new TokenKeyRotator(tokenKeys, tokenKeyPeers(servers), log);
  const pipeline = new RequestPipeline({
    authorizer,
    tokens,
    cache,
    reads,
    lists,
    objects,
    registry: new Registry(objects, ranges, clock, writeRestriction(authorizer), tls.ca.toString()),
    bindings: new Bindings(objects, store, clock),
    logs: new PodLogs(agents),
    streams: new PodStreams(agents),
    clock,
  });
  const readiness = new Readiness(cache, reads, clock, log);
  const registry = deps.metrics ?? createRegistry();
  const metrics = createApiMetrics(registry, cache, RESOURCES);
  const samples = new SampleBook(clock);
  const measurements = new Measurements(pipeline, lists, samples);
  const resources = new ResourceDoor(pipeline, measurements, metrics, () => clock.now());
  const authenticator = new Authenticator(tokens, metrics, clock, log);
  const lanes = new Lanes();
  const shared = { authenticator, pipeline, readiness, lanes, metrics, clock, log };
  const sealing = { keys, rotator };
  const joins = new JoinDoor({ config, pipeline, cache, reads, clock, log });
  const door = new HttpDoor({
    ...shared,
    tokenKeys: { keys: tokenKeys, rotator: keyRotator },
    sealing,
    resources,
    joins,
  });
  const rest = new HttpsServer(tls, (request, response, upgrade) => door.handle(request, response, upgrade), log);
  const grpc = new GrpcDoor({ ...shared, tls });
  const judge = pageJudge(authenticator, authorizer);
  const problems = (): readonly string[] => readiness.problems();
  const serverOf = (served: ReadonlyMap<string, Page>): MetricsServer =>
    new MetricsServer({ tls, pages: served, problems, judge, log });
  const pages = new Map<string, Page>([
    ["/metrics", () => metrics.render()],
    ["/metrics/slis", async () => renderHealth(readiness.problems())],
  ]);
  const metricsServers = [
    { port: config.metricsPort, server: serverOf(pages) },
    ...(deps.neighbours ?? [])
      .filter(({ port }) => port !== 0)
      .map(({ port, page }) => ({ port, server: serverOf(new Map([["/metrics", page]])) })),
  ];
  const relay =
    deps.bus === undefined
      ? undefined
      : new Relay({
          pipeline,
          cache,
          bus: deps.bus,
          clock,
          log,
          metrics: registry,
          name: config.name,
          resources: RESOURCES,
        });
  const { name, restPort } = config;
  const onRemoved = (): void => {
    readiness.beginShutdown();
    pipeline.endWatches();
  };
  const serverList = new ServerList({ pipeline, cache, reads, clock, log, name, restPort, onRemoved });
  const expiry = new EventExpiry(pipeline, cache, clock, log);
  if (deps.onServers !== undefined) followServers(cache, reads, deps.onServers, log);
  const stopping = new AbortController();
  let endSamples: (() => void) | undefined;
  let endRenewal: (() => void) | undefined;

  return {
    pipeline,
    readiness,
    async start() {
      for (const { port, server } of metricsServers) await server.listen(port, config.address);
      await rest.listen(config.restPort, config.address);
      await grpc.listen(config.grpcPort, config.address);
      readiness.start();
      await keys.begin(stopping.signal);
      await cache.start();
      const { serviceCidr, apiServers } = config;
      const founder = readFounder(config);
      await bootstrap({ pipeline, cache, reads, serviceCidr, apiServers, founder, log, signal: stopping.signal });
      authorizer.begin();
      endSamples = deps.bus === undefined ? undefined : samples.follow(deps.bus, registry);
      serverList.start();
      endRenewal = startServerRenewal(config.pkiDir, clock, log);
      relay?.start();
      expiry.start();
      log.info("apiserver started", { address: config.address, revision: cache.revision });
    },
    async stop() {
      readiness.beginShutdown();
      stopping.abort(new Error("the apiserver stops"));
      expiry.stop();
      endSamples?.();
      endRenewal?.();
      await relay?.stop();
      await serverList.stop();
      await sleep(DRAIN_NOTICE_MS);
      pipeline.endWatches();
      await Promise.all([rest.close(DRAIN_MS), grpc.close(DRAIN_MS)]);
      agents.close();
      tls.close();
      readiness.stop();
      cache.stop();
      await Promise.all(metricsServers.map(({ server }) => server.close()));
      log.info("apiserver stopped");
    },
  };
}

/**
 * Tells of the slice that lists the servers whenever it may have changed, as it is now: a cache that has just started plays
 * history again, and servers of the past may all be dead.
 */
function followServers(
  cache: WatchCache,
  reads: ConsistentReads,
  tell: (slice: EndpointSlice) => void,
  log: Logger,
): void {
  const look = (): void => {
    const told = reads.fresh().then((isFresh) => {
      const found = cache.of(ENDPOINTSLICES).get("default/kubernetes");
      if (isFresh && found !== undefined) tell(found.object as EndpointSlice);
    });
    // Without the store there is no news of it; the next change brings the next look.
    told.catch((thrown: unknown) => log.debug("the list of servers cannot be read", { err: errorFrom(thrown) }));
  };
  cache.subscribe(ENDPOINTSLICES, { onEvent: ({ path }) => path === "default/kubernetes" && look(), onReset: look });
}

/** This server as a cluster's first: by the key of its machine; a server without one has not come by a join. */
function readFounder({ name, address, pkiDir }: ApiserverConfig): HostRecord | undefined {
  const path = join(pkiDir, "host.key");
  if (!existsSync(path)) return undefined;
  return { name, role: "server", address, hostId: hostIdOf(publicKeyOf(readFileSync(path, "utf8"))) };
}

function rangesOf(config: ApiserverConfig, cache: WatchCache): AllocationRanges {
  const [from = 0, to = 0] = config.nodePortRange.split("-").map(Number);
  return {
    services: parseBlock(config.serviceCidr),
    pods: parseBlock(config.podCidr),
    nodePorts: { from, to },
    claims: (kind) => cache.claims(kind),
  };
}
