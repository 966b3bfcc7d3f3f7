// The agent's pods and Services without a control plane: they come as JSON lines on stdin (`{op:"put"|"remove", pod}`,
// `{op:"services", services, slices}`, and `{op:"listed"}` once all pods of the start are told), statuses go out as JSON lines on stdout. Runs inside a node's network namespace.
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { ActorSystem } from "@trireme/actor";
import type { EndpointSlice, Pod, Service } from "@trireme/api";
import { systemClock } from "@trireme/base";
import { createCri, watchRuntimeEvents } from "@trireme/cri";
import {
  check,
  createGate,
  createImageStore,
  createManifestStore,
  createPodRunner,
  createPodSet,
  createProber,
  createProxy,
  createVolumes,
  lastWords,
  removeLeftovers,
} from "@trireme/node-agent";
import { silentLogger } from "@trireme/telemetry";

const [dir = "", address = "", cgroupParent = "", podCidr = ""] = process.argv.slice(2);
const parallel = Number(process.env["GATE"] ?? "8");
const say = (message: unknown): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
const log = { ...silentLogger, warn: (text: string, keys?: object) => console.error(text, JSON.stringify(keys)) };

const actors = new ActorSystem({
  component: "node-agent",
  log,
  onDecision: ({ actor, directive, restarts }) => say({ decision: { actor, directive, restarts } }),
});

const pods = new Map<string, Pod>();
let listener: (change: { type: "added" | "modified" | "deleted"; object: Pod }) => void = () => undefined;
let listed: () => void = () => undefined;
const source = {
  synced: new Promise<void>((resolve) => (listed = resolve)),
  list: () => [...pods.values()],
  onChange(next: typeof listener) {
    listener = next;
    return () => undefined;
  },
};
const sink = {
  report: (pod: Pod, status: object) => say({ at: Date.now(), name: pod.metadata.name, status }),
  forget: () => undefined,
  remove: async (pod: Pod) => {
    pods.delete(pod.metadata.uid!);
    say({ at: Date.now(), name: pod.metadata.name, removed: true });
    listener({ type: "deleted", object: pod });
  },
};
const logRoot = `${dir}/pods`;
mkdirSync(logRoot, { recursive: true });
const socket = `${dir}/containerd.sock`;
const cri = createCri({ socket });
const config = { get: async () => undefined };
const volumes = createVolumes({ root: `${dir}/volumes`, config, node: "n1", localPathRoot: `${dir}/local-path` });
const node = { name: "n1", address };
const runner = createPodRunner({
  cri,
  images: createImageStore(cri, () => Date.now()),
  volumes,
  config,
  sink,
  node,
  logRoot,
  cgroupParent,
  clusterDomain: "cluster.local",
  dnsServers: () => [address],
  hostDns: { servers: [], searches: [], options: [] },
  allocatable: { cpuMilli: 2000, memoryBytes: 1 << 30 },
  gates: { sandboxes: createGate(parallel), containers: createGate(parallel), teardowns: createGate(parallel) },
  now: () => Date.now(),
  log,
  drain: async () => undefined,
  services: () => [],
  lastWords: lastWords(volumes),
  onCreated: (uid, containerId, sandboxId) => set.onCreated(uid, containerId, sandboxId),
  onForgotten: (uid) => {
    set.onForgotten(uid);
    say({ at: Date.now(), forgotten: uid });
  },
});
const prober = createProber({
  clock: systemClock,
  check: (probe, where) => check(probe, { cri, ...where }),
  onFact: (uid, id, fact) => set.onProbe(uid, id, fact),
});
const set = createPodSet({
  node,
  source,
  sink,
  cri,
  runner,
  prober,
  actors,
  lastWords: lastWords(volumes),
  manifests: createManifestStore(`${dir}/manifests`, systemClock, log),
  clock: systemClock,
  log,
});
let services: { services: Service[]; slices: EndpointSlice[] } = { services: [], slices: [] };
const proxy = createProxy({
  nodeName: node.name,
  sources: {
    services: () => services.services,
    slices: () => services.slices,
    network: () => ({ podCidr, podCidrs: [podCidr] }),
  },
  clock: systemClock,
  log,
  onSync: (seconds) => say({ synced: seconds }),
});
const lines = createInterface({ input: process.stdin });
void set.start().then(() => {
  watchRuntimeEvents({ socket, onEvent: (event) => set.onEvent(event), onGap: () => set.relist() });
  say({ ready: true });
  // As the agent does: its last life may have ended in the middle of clearing away.
  return removeLeftovers({ volumes, logRoot, isKnown: (uid) => pods.has(uid) || set.has(uid), log });
});
for await (const line of lines) {
  const order = JSON.parse(line) as { op: string; pod: Pod } & typeof services;
  if (order.op === "services") {
    services = order;
    proxy.poke();
    continue;
  }
  if (order.op === "listed") {
    listed();
    continue;
  }
  const uid = order.pod.metadata.uid!;
  const known = pods.has(uid);
  if (order.op === "put") {
    pods.set(uid, order.pod);
    listener({ type: known ? "modified" : "added", object: order.pod });
  } else {
    pods.delete(uid);
    listener({ type: "deleted", object: order.pod });
  }
}
process.exit(0);
