import type { ActorRef, ActorSpec } from "@trireme/actor";
import type { Pod } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Cri, RuntimeEvent } from "@trireme/cri";
import type { Logger } from "@trireme/telemetry";
import type { Prober } from "../probes/prober.ts";
import type { StatusSink } from "../status/status-sink.ts";
import type { ContainerFact, PodFacts, ProbeFact, RuntimePod } from "./facts.ts";
import type { ManifestStore } from "./manifest-store.ts";
import { emptyRuntimePod } from "./facts.ts";
import type { Step } from "./next-step.ts";
import type { NodeIdentity, PodEffect, PodMessage, PodState } from "./pod-behaviour.ts";
import { podBehaviour } from "./pod-behaviour.ts";
import type { PodEvents, PodRunner } from "./pod-runner.ts";
import type { LastWords, ReadOptions } from "./runtime-view.ts";
import { readContainer, readRuntime } from "./runtime-view.ts";

/** Where this node's pods come from: an informer, or a test's memory. */
export interface PodSource {
  readonly synced: Promise<void>;
  list(): readonly Pod[];
  onChange(
    listener: (change: { readonly type: "added" | "modified" | "deleted"; readonly object: Pod }) => void,
  ): () => void;
}

/** The part of an actor system that pods need. */
export interface Spawner {
  spawn<S, M, E>(spec: ActorSpec<S, M, E>): ActorRef<M>;
}

/** What the pods of a node are made with. */
export interface PodSetOptions {
  readonly node: NodeIdentity;
  readonly source: PodSource;
  readonly sink: StatusSink;
  readonly cri: Cri;
  readonly runner: PodRunner;
  readonly prober: Prober;
  readonly actors: Spawner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onRelist?: (seconds: number) => void;
  readonly lastWords?: LastWords;
  readonly events?: PodEvents;
  /** What the last agent knew, for as long as no server answers. */
  readonly manifests?: ManifestStore;
}

/** All pods of the node: one actor each. */
export interface PodSet {
  /** Reads the runtime, then adopts, starts and ends pods until stopped. */
  start(): Promise<void>;
  /** A hint from the runtime. */
  onEvent(event: RuntimeEvent): void;
  /** Events may be missing: reads the runtime's lists again, soon. */
  relist(): void;
  onProbe(uid: string, containerId: string, fact: ProbeFact): void;
  onCreated(uid: string, containerId: string, sandboxId: string): void;
  onForgotten(uid: string): void;
  /** Pods that an actor looks after now. */
  readonly size: number;
  has(uid: string): boolean;
  /** Running containers, as last listed. */
  running(): { readonly pod: RuntimePod; readonly container: ContainerFact }[];
  /** For the metrics: pods with a sandbox, containers by state. */
  counts(): { readonly pods: number; readonly containers: Readonly<Record<string, number>> };
  stop(): void;
}

/** The lists are read again this often even when no event is missing: nothing may depend on a hint alone. */
const RELIST_MS = 10_000;
/** Relists closer together than this are one. */
const RELIST_GAP_MS = 100;
/** A server that has not answered by then is away: until one does, what runs here is looked after by what was known. */
const OFFLINE_AFTER_MS = 3000;
/** A dead container's record is asked for after these pauses, doubling, before the lists are read instead. */
const END_FIRST_MS = 10;
const END_LAST_MS = 640;
/** Waiting messages of one pod; nearly all kinds coalesce, so more than this means that the actor is stuck. */
const MAILBOX = 256;

/** The pods of one node. */
export function createPodSet(options: PodSetOptions): PodSet {
  const { clock, cri, log, source } = options;
  const words: ReadOptions = {
    ...(options.lastWords === undefined ? {} : { lastWords: options.lastWords }),
    knownIp: (id) => addresses.get(id),
  };
  /** Addresses of sandboxes, by id. */
  const addresses = new Map<string, string>();
  /** Containers that a step is stopping: the step itself tells of their end. */
  const stopping = new Set<string>();
  const actors = new Map<string, { readonly ref: ActorRef<PodMessage>; readonly identity: RuntimePod }>();
  const desired = new Map<string, Pod>();
  let view = new Map<string, RuntimePod>();
  /** Containers and sandboxes by id, with the pod they belong to. */
  const owners = new Map<string, { readonly uid: string; readonly sandboxId: string }>();
  const exited = new Map<string, ContainerFact>();
  let listed = false;
  let stopped = false;
  let soon = false;
  let cancelRelist: (() => void) | undefined;
  let relisting: Promise<void> | undefined;
  const unsubscribe: (() => void)[] = [];

  function send(uid: string, message: PodMessage): void {
    actors.get(uid)?.ref.send(message);
  }

  function ensureActor(identity: RuntimePod): void {
    if (actors.has(identity.uid) || stopped) return;
    const { uid, namespace, name } = identity;
    const wakes = { cancel: (): void => undefined };
    let first = true;
    const ref = options.actors.spawn<PodState, PodMessage, PodEffect>({
      id: `${namespace}/${name}/${uid}`,
      behaviour: podBehaviour({ uid, namespace, name, node: options.node }),
      mailbox: { capacity: MAILBOX, overflow: "coalesceByKey", keyOf: coalesceKey },
      execute: (effect, self) => execute(uid, effect, self, wakes),
      started: () => {
        // What the lists showed holds for an actor's first life; a later one reads the truth again.
        const runtime = first ? (view.get(uid) ?? identity) : undefined;
        first = false;
        return { type: "boot", pod: desired.get(uid), runtime, at: clock.now() };
      },
    });
    actors.set(uid, { ref, identity });
  }

  function execute(
    uid: string,
    effect: PodEffect,
    self: ActorRef<PodMessage>,
    wakes: { cancel: () => void },
  ): void | Promise<void> {
    switch (effect.type) {
      case "step":
        return runStep(uid, effect.step, effect.facts, self);
      case "report":
        return options.sink.report(effect.pod, effect.status);
      case "event":
        return options.events?.[effect.event.type](effect.pod, effect.event.reason, effect.event.message);
      case "probe":
        return options.prober.sync(effect.pod, effect.containers, effect.ip);
      case "refresh":
        return refresh(uid, self);
      case "wake":
        wakes.cancel();
        wakes.cancel = clock.after(Math.max(0, effect.at - clock.now()), () => {
          self.send({ type: "tick", at: clock.now() });
        });
        return undefined;
    }
  }

  async function runStep(uid: string, step: Step, facts: PodFacts, self: ActorRef<PodMessage>): Promise<void> {
    const ending = step.type === "kill" ? step.containers.map((container) => container.id) : [];
    for (const id of ending) stopping.add(id);
    await options.runner.run(step, facts, (message) => {
      remember(uid, message);
      self.send(message);
    });
    for (const id of ending) stopping.delete(id);
  }

  async function refresh(uid: string, self: ActorRef<PodMessage>): Promise<void> {
    const seenAt = clock.now();
    try {
      const found = await readRuntime(cri, (id) => exited.get(id), { ...words, uid });
      const identity = actors.get(uid)?.identity ?? emptyRuntimePod(uid, "", "");
      const runtime = found.get(uid) ?? { ...identity, sandboxes: [], containers: [] };
      learn(runtime);
      self.send({ type: "runtime", runtime, seenAt, at: clock.now() });
    } catch (error) {
      log.warn("the runtime could not be read", { err: error });
      relist();
    }
  }

  /** Steps tell of new sandboxes and containers before any list does: their events must find their pod. */
  function remember(uid: string, message: PodMessage): void {
    if (message.type === "container" && message.container.state === "exited") {
      exited.set(message.container.id, message.container);
    }
    if (message.type !== "done") return;
    const { sandbox, container } = message.result;
    if (sandbox !== undefined) owners.set(sandbox.id, { uid, sandboxId: sandbox.id });
    if (container !== undefined) owners.set(container.id, { uid, sandboxId: container.sandboxId });
  }

  function learn(runtime: RuntimePod): void {
    for (const sandbox of runtime.sandboxes) {
      owners.set(sandbox.id, { uid: runtime.uid, sandboxId: sandbox.id });
      addresses.set(sandbox.id, sandbox.ip);
    }
    for (const container of runtime.containers) {
      owners.set(container.id, { uid: runtime.uid, sandboxId: container.sandboxId });
      if (container.state === "exited") exited.set(container.id, container);
    }
  }

  async function readAll(): Promise<void> {
    const seenAt = clock.now();
    const started = clock.monotonic();
    const found = await readRuntime(cri, (id) => exited.get(id), words);
    options.onRelist?.((clock.monotonic() - started) / 1000);
    view = found;
    const ids = new Set([...found.values()].flatMap((pod) => [...pod.sandboxes, ...pod.containers].map((x) => x.id)));
    for (const id of exited.keys()) if (!ids.has(id)) exited.delete(id);
    for (const id of addresses.keys()) if (!ids.has(id)) addresses.delete(id);
    for (const pod of found.values()) learn(pod);
    for (const [uid, { identity }] of actors) {
      const runtime = found.get(uid) ?? { ...identity, sandboxes: [], containers: [] };
      send(uid, { type: "runtime", runtime, seenAt, at: clock.now() });
    }
    if (listed) endOrphans();
  }

  function relist(): void {
    if (stopped || soon) return;
    soon = true;
    cancelRelist?.();
    cancelRelist = clock.after(RELIST_GAP_MS, () => void relistNow());
  }

  async function relistNow(): Promise<void> {
    cancelRelist?.();
    cancelRelist = undefined;
    soon = false;
    relisting ??= readAll()
      .catch((error: unknown) => log.warn("the runtime could not be listed", { err: error }))
      .finally(() => {
        relisting = undefined;
        cancelRelist ??= stopped ? undefined : clock.after(RELIST_MS, () => void relistNow());
      });
    await relisting;
  }

  /** Pods that run here and that the API does not have. Only after the API has told us what it has. */
  function endOrphans(): void {
    for (const [uid, pod] of view) {
      if (desired.has(uid) || actors.has(uid)) continue;
      log.info("ending a pod that the API does not have", { pod: `${pod.namespace}/${pod.name}`, uid });
      ensureActor(pod);
      send(uid, { type: "gone", at: clock.now() });
    }
  }

  function onPod(type: "added" | "modified" | "deleted", pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const at = clock.now();
    if (type === "deleted" || pod.spec.nodeName !== options.node.name) {
      desired.delete(uid);
      send(uid, { type: "gone", at });
      return;
    }
    desired.set(uid, pod);
    options.manifests?.keep(pod);
    if (actors.has(uid)) send(uid, { type: "desired", pod, at });
    else ensureActor(emptyRuntimePod(uid, pod.metadata.namespace ?? "default", pod.metadata.name));
  }

  /** No server answers: the pods that run here go on as they were last known. None begins that does not run already. */
  function goOnWithout(remembered: readonly Pod[]): void {
    if (stopped) return;
    const here = remembered.filter(({ metadata }) => view.has(metadata.uid ?? "") && !desired.has(metadata.uid ?? ""));
    log.info("no server answers: going on with the pods as they were last known", { pods: here.length });
    for (const pod of here) onPod("added", pod);
  }

  /** The API has spoken: of what it does not have, what runs ends, and what does not is forgotten. */
  function forgetOthers(remembered: readonly Pod[]): void {
    const known = new Set(source.list().map((pod) => pod.metadata.uid));
    for (const pod of remembered) {
      const uid = pod.metadata.uid ?? "";
      if (known.has(uid)) continue;
      if (actors.has(uid)) onPod("deleted", pod);
      else options.manifests?.forget(uid);
    }
  }

  /** The runtime publishes an exit some milliseconds before its own record shows it. */
  async function readEnd(id: string, owner: { readonly uid: string; readonly sandboxId: string }): Promise<void> {
    for (let wait = END_FIRST_MS; wait <= END_LAST_MS; wait *= 2) {
      const container = await readContainer(cri, id, owner.sandboxId, options.lastWords);
      if (container === undefined) return;
      if (container.state === "exited") {
        const message = { type: "container", container, at: clock.now() } as const;
        remember(owner.uid, message);
        return send(owner.uid, message);
      }
      await new Promise<void>((resolve) => clock.after(wait, resolve));
    }
    relist();
  }

  return {
    async start() {
      for (;;) {
        try {
          await readAll();
          break;
        } catch (error) {
          log.warn("waiting for the container runtime", { err: error });
          await new Promise<void>((resolve) => clock.after(RELIST_GAP_MS, resolve));
        }
        if (stopped) return;
      }
      const remembered = (await options.manifests?.list()) ?? [];
      unsubscribe.push(source.onChange((change) => onPod(change.type, change.object)));
      const cancel = clock.after(OFFLINE_AFTER_MS, () => goOnWithout(remembered));
      await source.synced;
      cancel();
      for (const pod of source.list()) if (desired.get(pod.metadata.uid ?? "") !== pod) onPod("added", pod);
      forgetOthers(remembered);
      listed = true;
      await relistNow();
    },
    onEvent(event) {
      if (event.type !== "exit" || stopping.has(event.containerId)) return;
      const owner = owners.get(event.containerId);
      // An exit of something that no step and no list has told us of yet: the next list will.
      if (owner === undefined) return relist();
      if (owner.sandboxId === event.containerId) {
        send(owner.uid, { type: "sandboxDied", id: event.containerId, at: clock.now() });
        return;
      }
      void readEnd(event.containerId, owner).catch((error: unknown) => {
        log.warn("a container's end could not be read", { err: error });
        relist();
      });
    },
    relist,
    onProbe(uid, containerId, fact) {
      send(uid, { type: "probe", containerId, fact, at: clock.now() });
    },
    onCreated(uid, containerId, sandboxId) {
      owners.set(containerId, { uid, sandboxId });
    },
    onForgotten(uid) {
      options.sink.forget(uid);
      options.manifests?.forget(uid);
      const actor = actors.get(uid);
      actors.delete(uid);
      view.delete(uid);
      options.prober.forget(uid);
      for (const [id, owner] of owners) if (owner.uid === uid) owners.delete(id);
      void actor?.ref.stop();
    },
    get size() {
      return actors.size;
    },
    has: (uid) => actors.has(uid),
    running: () =>
      [...view.values()].flatMap((pod) =>
        pod.containers.filter((c) => c.state === "running").map((container) => ({ pod, container })),
      ),
    counts() {
      const containers: Record<string, number> = { created: 0, running: 0, exited: 0, unknown: 0 };
      let pods = 0;
      for (const pod of view.values()) {
        if (pod.sandboxes.some((sandbox) => sandbox.ready)) pods += 1;
        for (const container of pod.containers) containers[container.state] = (containers[container.state] ?? 0) + 1;
      }
      return { pods, containers };
    },
    stop() {
      stopped = true;
      cancelRelist?.();
      for (const stop of unsubscribe) stop();
      options.prober.stop();
      for (const { ref } of actors.values()) void ref.stop();
    },
  };
}

function coalesceKey(message: PodMessage): string | undefined {
  switch (message.type) {
    case "desired":
    case "runtime":
    case "tick":
      return message.type;
    case "probe":
      return `probe ${message.containerId}`;
    default:
      return undefined;
  }
}
