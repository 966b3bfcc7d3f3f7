import { readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ActorSystem } from "@trireme/actor";
import type { Pod } from "@trireme/api";
import { errorFrom, systemClock } from "@trireme/base";
import type { Bus, NatsCredentials } from "@trireme/bus";
import { actorDecisionCodec, actorSubject, createNatsBus } from "@trireme/bus";
import { createApiClient, delegatedJudge } from "@trireme/client";
import { ServerDirectory, createEventRecorder, createInformerFactory } from "@trireme/controller";
import { createCri, watchRuntimeEvents } from "@trireme/cri";
import { LiveIdentity } from "@trireme/pki";
import { type Logger, MetricsServer, type Registry, createRegistry } from "@trireme/telemetry";
import type { AgentConfig } from "./config.ts";
import { createDrainer } from "./drain/drainer.ts";
import { createLeaseAcks } from "./drain/lease-acks.ts";
import { informersOf } from "./informers.ts";
import { createImageStore } from "./images/image-store.ts";
import { lastWords } from "./logs/last-words.ts";
import { podLogs } from "./logs/pod-logs.ts";
import type { LiveLog } from "./logs/rotation.ts";
import { startLogRotation } from "./logs/rotation.ts";
import { agentMetrics } from "./metrics.ts";
import { type PageSources, agentPages } from "./metrics/pages.ts";
import type { ClaimInUse } from "./metrics/volume-stats.ts";
import { startNetwork } from "./network/network.ts";
import { startHeartbeat } from "./node/heartbeat.ts";
import { patientHealth, readHealth, readMachine } from "./node/machine.ts";
import { startRenewal } from "./node/renewal.ts";
import { createRegistration } from "./node/registration.ts";
import { logDirectoryName } from "./pods/cri-config.ts";
import { createGate } from "./pods/gate.ts";
import { createManifestStore } from "./pods/manifest-store.ts";
import { createPodRunner } from "./pods/pod-runner.ts";
import type { PodSet } from "./pods/pod-set.ts";
import { removeLeftovers } from "./pods/leftovers.ts";
import { createPodSet } from "./pods/pod-set.ts";
import { readRuntime } from "./pods/runtime-view.ts";
import { check } from "./probes/checks.ts";
import { createProber } from "./probes/prober.ts";
import { serveGrpc } from "./server/grpc-server.ts";
import { podStreams } from "./streams/pod-streams.ts";
import { apiStatusSink } from "./status/status-writer.ts";
import { startSampler } from "./usage/sampler.ts";
import { apiClaimSource } from "./volumes/claims.ts";
import { apiConfigSource } from "./volumes/config-source.ts";
import { apiFollower, createLiveFiles } from "./volumes/live-files.ts";
import { dnsServersFor, parseResolvConf } from "./volumes/pod-files.ts";
import { startReclaimer } from "./volumes/reclaimer.ts";
import { apiTokenSource } from "./volumes/tokens.ts";
import { createVolumes } from "./volumes/volumes.ts";

/** A running agent. */
export interface Agent {
  /** Ends the agent; pods and traffic rules stay as they are. */
  stop(): Promise<void>;
}

/** Sandboxes in the making at once: on two cores eight are no faster than three, and the first pods are up later. */
const PARALLEL_PER_CPU = 2;
const MAX_PARALLEL = 8;

/** Starts the agent of one node: servers first, then what runs pods, then what carries traffic. */
export async function startAgent(config: AgentConfig, log: Logger, registry: Registry): Promise<Agent> {
  const clock = systemClock;
  const node = { name: config.name, address: config.address };
  const stops: (() => unknown)[] = [];
  const tls = new LiveIdentity({ dir: config.pkiDir, name: "node" }, (err) => {
    log.error("the node's certificate cannot be followed: the last one stays", { err });
  });
  stops.push(() => tls.close());
  let pods: PodSet | undefined;
  let ready = false;
  // The service proxy's series are on a page of their own, as if it were kube-proxy beside us.
  const proxyRegistry = createRegistry({ processMetrics: false });
  const metrics = agentMetrics(registry, proxyRegistry, {
    node: config.name,
    certificate: () => tls.cert,
    counts: () => pods?.counts() ?? { pods: 0, containers: {} },
    clock,
  });
  let pageSources: PageSources | undefined;
  const { apiServers, natsUrls, serversFile: file } = config;
  const servers = new ServerDirectory({ apiServers, natsUrls, file, writes: true, log });
  const client = createApiClient({ servers: servers.apiServers, tls, userAgent: "node-agent/0.1.0", log, registry });
  const https = new MetricsServer({
    tls,
    pages: agentPages(registry, proxyRegistry, () => pageSources),
    problems: () => (ready ? [] : ["not ready yet"]),
    judge: delegatedJudge(client, () => clock.monotonic()),
    log,
  });
  await https.listen(config.httpsPort, config.address);
  stops.push(() => https.close());
  const logRoot = join(config.dir, "pods");
  await mkdir(logRoot, { recursive: true });

  const cri = createCri({ socket: config.criSocket, observe: metrics.runtimeOperation });
  const bus = createNatsBus({
    servers: servers.natsUrls,
    tls: () => tls,
    credentials: () =>
      JSON.parse(readFileSync(join(config.pkiDir, "nats-creds", "node.json"), "utf8")) as NatsCredentials,
    name: `node-agent ${config.name}`,
    log,
    registry,
  });
  servers.tell(client, apiServers);
  servers.tell(bus, natsUrls);
  stops.push(
    () => cri.close(),
    () => client.close(),
    () => bus.close(),
  );
  stops.push(startRenewal({ ...node, pkiDir: config.pkiDir, identity: tls, client, clock, log }));
  const factory = createInformerFactory({ client, bus, clock, log, registry });
  stops.push(() => factory.stop());
  const informers = informersOf(factory, config.name);
  informers.slices.onChange(({ type, object }) => type !== "deleted" && servers.learn(object));
  let servicesKnown = false;
  void informers.services.synced.then(() => (servicesKnown = true));

  const machine = await readMachine(config.name, config.address, config.dir, cri);
  const parallel = config.parallelStarts || Math.min(MAX_PARALLEL, PARALLEL_PER_CPU * machine.cpus);
  const hostDns = parseResolvConf(await readFile("/etc/resolv.conf", "utf8").catch(() => ""));
  const events = createEventRecorder({ client, component: "kubelet", host: config.name, clock, log });
  stops.push(() => events.stop());
  const source = apiConfigSource(client);
  const statuses = apiStatusSink({
    client,
    lookup: (namespace, name) => informers.pods.get(namespace, name),
    clock,
    log,
  });
  const sink: typeof statuses = {
    ...statuses,
    report(pod, status) {
      metrics.podStatus(pod, status);
      return statuses.report(pod, status);
    },
  };
  const localPathRoot = join(config.dir, "local-path");
  const volumes = createVolumes({
    root: join(config.dir, "volumes"),
    config: source,
    tokens: apiTokenSource(client, clock, log),
    claims: apiClaimSource(client, () => informers.nodes.get("", config.name)),
    node: config.name,
    localPathRoot,
  });
  const reclaimer = startReclaimer({
    client,
    volumes: informers.volumes,
    node: config.name,
    localPathRoot,
    pathsInUse: () => volumes.pathsInUse(),
    clock,
    log,
  });
  stops.push(() => reclaimer.stop());
  const allocatable = { cpuMilli: machine.cpus * 1000, memoryBytes: machine.memoryBytes };
  const live = createLiveFiles({
    open: apiFollower(client, clock, log),
    refresh: (pod, lookup) => {
      // Files of a pod hold nothing that is known only once it runs: its own words and its node's size.
      const own = {
        nodeName: node.name,
        hostIP: node.address,
        podIP: "",
        allocatable,
        services: new Map(),
        config: () => undefined,
      };
      return volumes.refresh(pod, own, lookup);
    },
    clock,
    log,
  });
  stops.push(() => live.stop());
  informers.pods.onChange(({ type, object }) => type === "modified" && live.changed(object));
  const drainer = createDrainer({
    node: config.name,
    slices: informers.slices,
    nodes: informers.nodes,
    bus,
    acks: createLeaseAcks({ node: config.name, client, clock, log }),
    clock,
    log,
    registry,
    onDrained: metrics.podDrain,
  });
  stops.push(() => drainer.stop());
  const runner = createPodRunner({
    cri,
    images: createImageStore(cri, clock.now),
    volumes,
    live,
    config: source,
    sink,
    node,
    logRoot,
    cgroupParent: config.cgroupParent,
    clusterDomain: config.clusterDnsDomain,
    dnsServers: () => dnsServersFor(config.address, informers.nodes.list()),
    hostDns,
    allocatable,
    gates: {
      sandboxes: createGate(parallel),
      containers: createGate(parallel),
      teardowns: createGate(parallel),
    },
    now: clock.now,
    log,
    events,
    onCreated: (uid, containerId, sandboxId) => pods?.onCreated(uid, containerId, sandboxId),
    onForgotten: (uid) => {
      pods?.onForgotten(uid);
      reclaimer.poke();
    },
    drain: (pod) => drainer.drain(pod),
    lastWords: lastWords(volumes),
    services: () => (servicesKnown ? informers.services.list() : undefined),
  });
  const prober = createProber({
    clock,
    check: (probe, where) => check(probe, { cri, ...where }),
    onFact: (uid, id, fact) => pods?.onProbe(uid, id, fact),
    onFailure: (pod, _container, kind, message) =>
      events.warning(pod, "Unhealthy", `${kind[0]!.toUpperCase()}${kind.slice(1)} probe failed: ${message}`),
  });
  const actors = new ActorSystem({
    component: "node-agent",
    clock,
    log,
    registry,
    onDecision: (decision) => publishDecision(bus, decision),
  });
  const set = createPodSet({
    node,
    source: informers.pods,
    sink,
    cri,
    runner: { run: metrics.timed((step, facts, tell) => runner.run(step, facts, tell)) },
    prober,
    actors,
    clock,
    log,
    onRelist: metrics.relist,
    events,
    lastWords: lastWords(volumes),
    manifests: createManifestStore(join(config.dir, "manifests"), clock, log),
  });
  pods = set;
  pageSources = {
    pods: set,
    podOf: (namespace, name) => informers.pods.get(namespace, name),
    tallies: () => prober.tallies(),
    claims: () => claimsInUse(volumes, informers.pods.list()),
    machine,
    cgroupParent: config.cgroupParent,
  };
  stops.push(() => set.stop());

  const network = startNetwork({
    config,
    informers,
    clock,
    log,
    onSync: metrics.proxySync,
    onApplied: (slices) => drainer.applied(slices),
  });
  stops.push(() => network.stop());
  const registration = createRegistration({
    client,
    machine,
    health: patientHealth(() => readHealth(config.dir, cri), clock),
    busConnected: () => bus.status() === "connected",
    seen: () => informers.nodes.get("", config.name),
    onNode: (seen) => network.onNode(seen),
    clock,
    log,
  });
  stops.push(() => registration.stop());
  informers.nodes.onChange(({ object }) => {
    if (object.metadata.name === config.name) registration.poke();
  });

  factory.start();
  stops.push(
    await serveGrpc({
      address: config.address,
      port: config.grpcPort,
      tls,
      logs: podLogs({
        logRoot,
        pod: (namespace, name) => informers.pods.get(namespace, name),
        containers: async (uid) => (await readRuntime(cri, () => undefined, { uid })).get(uid)?.containers ?? [],
        now: clock.now,
      }),
      streams: podStreams({ cri, runtime: async (uid) => (await readRuntime(cri, () => undefined, { uid })).get(uid) }),
    }),
    startLogRotation({ cri, logs: () => liveLogs(logRoot, set), clock, log }),
  );
  const running = set.start().then(() => {
    const desired = new Set(informers.pods.list().map((pod) => pod.metadata.uid));
    return removeLeftovers({ volumes, logRoot, isKnown: (uid) => desired.has(uid) || set.has(uid), log });
  });
  running.catch((error: unknown) => log.error("the pods could not be started", { err: error }));
  stops.push(
    watchRuntimeEvents({ socket: config.criSocket, onEvent: (event) => set.onEvent(event), onGap: () => set.relist() }),
  );
  void registration.start().then((registered) => {
    const { name, cgroupParent } = config;
    stops.push(
      startHeartbeat(bus, name, clock),
      startSampler({ bus, node: name, cgroupParent, running: () => set.running(), clock, log }),
    );
    ready = true;
    log.info("agent ready", { podCidr: registered.spec?.podCIDR, pods: set.size });
  });
  return {
    async stop() {
      for (const stop of stops.toReversed()) {
        try {
          await stop();
        } catch (error) {
          log.warn("a part did not stop cleanly", { err: errorFrom(error) });
        }
      }
    },
  };
}

function liveLogs(logRoot: string, set: PodSet): LiveLog[] {
  return set.running().map(({ pod, container }) => ({
    containerId: container.id,
    path: join(logRoot, logDirectoryName(pod.namespace, pod.name, pod.uid), container.name, `${container.attempt}.log`),
  }));
}

/** The claims of this node's pods, with the directories that stand behind them. */
async function claimsInUse(
  volumes: ReturnType<typeof createVolumes>,
  pods: readonly Pod[],
): Promise<readonly ClaimInUse[]> {
  const out: ClaimInUse[] = [];
  for (const { metadata, spec } of pods) {
    for (const { name, persistentVolumeClaim } of spec.volumes ?? []) {
      if (persistentVolumeClaim === undefined) continue;
      const path = await volumes.claimPath(metadata.uid ?? "", name);
      const { claimName: claim } = persistentVolumeClaim;
      if (path !== undefined) out.push({ namespace: metadata.namespace ?? "default", claim, path });
    }
  }
  return out;
}

type Decision = Parameters<NonNullable<ConstructorParameters<typeof ActorSystem>[0]["onDecision"]>>[0];

/** A reason on the bus is a sentence, not a stack. */
const MAX_REASON = 1024;

function publishDecision(bus: Bus, decision: Decision): void {
  const { actor, behaviour, directive, restarts } = decision;
  const reason = errorFrom(decision.error).message.slice(0, MAX_REASON);
  const message = { v: 1, component: "node-agent", actor, behaviour, decision: directive, restarts, reason } as const;
  bus.publish(actorSubject("node-agent"), actorDecisionCodec.encode(message));
}
