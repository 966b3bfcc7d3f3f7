// The agent's pods without a control plane: pods come as JSON lines on stdin (`{op:"put"|"remove", pod}`), statuses go
// out as JSON lines on stdout. Runs inside a node's network namespace.
import { createInterface } from "node:readline";
import type { ActorRef, ActorSpec } from "@trireme/actor";
import type { Pod } from "@trireme/api";
import { systemClock } from "@trireme/base";
import { createCri, watchRuntimeEvents } from "@trireme/cri";
import {
  check,
  createGate,
  createImageStore,
  createPodRunner,
  createPodSet,
  createProber,
  createVolumes,
} from "@trireme/node-agent";
import { silentLogger } from "@trireme/telemetry";

const [dir = "", address = "", cgroupParent = ""] = process.argv.slice(2);
const say = (message: unknown): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
const log = { ...silentLogger, warn: (text: string, keys?: object) => console.error(text, JSON.stringify(keys)) };

function spawn<S, M, E>(spec: ActorSpec<S, M, E>): ActorRef<M> {
  let state = spec.behaviour.initial();
  const queue: M[] = [];
  let scheduled = false;
  let stopped = false;
  const ref: ActorRef<M> = {
    id: spec.id,
    depth: 0,
    stop: async () => void (stopped = true),
    send(message) {
      queue.push(message);
      if (!scheduled) setImmediate(turn);
      scheduled = true;
      return true;
    },
  };
  function turn(): void {
    scheduled = false;
    for (const message of queue.splice(0)) {
      if (stopped) return;
      const next = spec.behaviour.receive(state, message);
      state = next.state;
      for (const effect of next.effects) void spec.execute(effect, ref);
    }
  }
  if (spec.started !== undefined) ref.send(spec.started());
  return ref;
}

const pods = new Map<string, Pod>();
let listener: (change: { type: "added" | "modified" | "deleted"; object: Pod }) => void = () => undefined;
const source = {
  synced: Promise.resolve(),
  list: () => [...pods.values()],
  onChange(next: typeof listener) {
    listener = next;
    return () => undefined;
  },
};
const sink = {
  report: (pod: Pod, status: object) => say({ at: Date.now(), name: pod.metadata.name, status }),
  remove: async (pod: Pod) => {
    pods.delete(pod.metadata.uid!);
    say({ at: Date.now(), name: pod.metadata.name, removed: true });
    listener({ type: "deleted", object: pod });
  },
};
const socket = `${dir}/containerd.sock`;
const cri = createCri({ socket });
const config = { get: async () => undefined };
const volumes = createVolumes(`${dir}/volumes`, config);
const node = { name: "n1", address };
const runner = createPodRunner({
  cri,
  images: createImageStore(cri, () => Date.now()),
  volumes,
  config,
  sink,
  node,
  logRoot: `${dir}/pods`,
  cgroupParent,
  clusterDomain: "cluster.local",
  dnsServers: () => [address],
  hostDns: { servers: [], searches: [], options: [] },
  allocatable: { cpuMilli: 2000, memoryBytes: 1 << 30 },
  gates: { sandboxes: createGate(8), containers: createGate(8), teardowns: createGate(8) },
  now: () => Date.now(),
  log,
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
  actors: { spawn },
  clock: systemClock,
  log,
});
const lines = createInterface({ input: process.stdin });
await set.start();
watchRuntimeEvents({ socket, onEvent: (event) => set.onEvent(event), onGap: () => set.relist() });
say({ ready: true });
for await (const line of lines) {
  const { op, pod } = JSON.parse(line) as { op: string; pod: Pod };
  const known = pods.has(pod.metadata.uid!);
  if (op === "put") {
    pods.set(pod.metadata.uid!, pod);
    listener({ type: known ? "modified" : "added", object: pod });
  } else {
    pods.delete(pod.metadata.uid!);
    listener({ type: "deleted", object: pod });
  }
}
process.exit(0);
