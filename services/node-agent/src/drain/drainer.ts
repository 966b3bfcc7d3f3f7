import type { EndpointSlice, Node, Pod } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Ack, Bus } from "@trireme/bus";
import { ackCodec, ackSubject, acksOfTopic, listen } from "@trireme/bus";
import type { Informer } from "@trireme/controller";
import type { Logger, Registry } from "@trireme/telemetry";
import { AppliedSlices } from "./applied-slices.ts";
import type { Drain, ProxyHeard } from "./drain-step.ts";
import { HEARD_WITHIN_MS, drainStep, sliceKey, startDrain } from "./drain-step.ts";
import type { ApiAcks } from "./lease-acks.ts";

/** Takes ending pods out of rotation on every node before they are told to end. */
export interface Drainer {
  /** Resolves when no proxy sends new connections to the pod any more, or when that has been waited for long enough. */
  drain(pod: Pod): Promise<void>;
  /** This node's proxy has applied these slices. */
  applied(slices: readonly EndpointSlice[]): void;
  stop(): void;
}

/** What a drainer needs. */
export interface DrainerOptions {
  readonly node: string;
  readonly slices: Pick<Informer<EndpointSlice>, "hasSynced" | "list" | "onChange">;
  readonly nodes: Pick<Informer<Node>, "get" | "list" | "onChange">;
  readonly bus: Bus;
  /** The way of acknowledgements that needs no bus. */
  readonly acks: ApiAcks;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry?: Registry;
  readonly onDrained?: (seconds: number, why: string) => void;
}

/** The topic under which proxies acknowledge. */
const TOPIC = "proxy";
/** Between two acknowledgements when nothing changes: they also say that the node is there. */
const BEAT_MS = 1000;

interface Waiting {
  readonly name: string;
  drain: Drain;
  /** When every slice that lists the pod was first seen to mark it. */
  markedAt?: number;
  readonly resolve: () => void;
}

interface Heard {
  at: number;
  readonly applied: Map<string, number>;
}

/** The drainer of one node's agent. */
export function createDrainer(options: DrainerOptions): Drainer {
  const { acks, bus, clock, log, node, nodes, slices } = options;
  const own = new AppliedSlices();
  const heard = new Map<string, Heard>();
  const waiting = new Map<string, Waiting>();
  let beating = false;
  let cancelBeat = (): void => undefined;
  let cancelWait = (): void => undefined;
  let unfollow: (() => void) | undefined;

  function note(from: string, applied: Readonly<Record<string, number>>): void {
    const known = heard.get(from) ?? { at: 0, applied: new Map<string, number>() };
    heard.set(from, known);
    known.at = clock.monotonic();
    for (const [key, revision] of Object.entries(applied)) {
      known.applied.set(key, Math.max(revision, known.applied.get(key) ?? 0));
    }
    if (waiting.size > 0) review(from);
  }

  /** Acknowledgements come from authenticated nodes, each on its own subject; of nodes that we know we keep them. */
  function onAck(ack: Ack, subject: string): void {
    if (ackSubject(TOPIC, ack.node) !== subject || ack.node === node) return;
    if (nodes.get("", ack.node) !== undefined) note(ack.node, ack.applied);
  }

  function publish(): void {
    const applied = own.acknowledgement(clock.monotonic());
    bus.publish(ackSubject(TOPIC, node), ackCodec.encode({ v: 1, node, applied }));
  }

  /** Only what somebody may wait for is worth a write of the store. */
  function write(): void {
    const applied = own.endings(clock.monotonic());
    if (Object.keys(applied).length > 0) acks.write(applied);
  }

  /** While the bus is away, here or at another node that we wait for, acknowledgements are looked for in the API. */
  function followWhenNeeded(proxies: readonly ProxyHeard[], now: number): void {
    if (waiting.size === 0) {
      unfollow?.();
      unfollow = undefined;
    } else if (bus.status() === "disconnected" || proxies.some(({ heardAt }) => now - heardAt > HEARD_WITHIN_MS)) {
      unfollow ??= acks.follow((from, applied) => {
        if (from !== node && nodes.get("", from) !== undefined) note(from, applied);
      });
    }
  }

  function beat(): void {
    publish();
    note(node, {});
    cancelBeat = clock.after(BEAT_MS, beat);
  }

  /** Lets go whoever has waited for long enough; `heardOf` is the node whose word is new. */
  function review(heardOf?: string): void {
    cancelWait();
    const now = clock.monotonic();
    const proxies = nodes
      .list()
      .filter(isReady)
      .map(({ metadata: { name } }) => {
        const known = heard.get(name);
        return { node: name, heardAt: known?.at ?? Number.NEGATIVE_INFINITY, applied: known?.applied ?? NONE };
      });
    const seen = { slices: slices.hasSynced ? slices.list() : undefined, proxies, now };
    let until = Number.POSITIVE_INFINITY;
    for (const [uid, one] of waiting) {
      const { drain, verdict } = drainStep(one.drain, seen);
      one.drain = drain;
      if (Object.values(drain.slices).every((revision) => revision !== undefined)) one.markedAt ??= now;
      if (verdict.type === "wait") {
        until = Math.min(until, verdict.until);
        continue;
      }
      waiting.delete(uid);
      const ms = Math.round(now - drain.since);
      // How much of it the mark took, and who spoke last: where a slow drain comes from.
      const markedMs = one.markedAt === undefined ? undefined : Math.round(one.markedAt - drain.since);
      const told = { pod: one.name, ms, markedMs };
      if (verdict.why === "late")
        log.warn("pod ends, and not every node has acknowledged", { ...told, behind: verdict.behind });
      else if (verdict.why === "acknowledged") log.info("pod out of rotation", { ...told, last: heardOf });
      options.onDrained?.(ms / 1000, verdict.why);
      one.resolve();
    }
    if (Number.isFinite(until)) cancelWait = clock.after(Math.max(0, until - now), () => review());
    followWhenNeeded(proxies, now);
  }

  const poke = (): void => {
    if (waiting.size > 0) review();
  };
  const stops = [
    slices.onChange(({ type, object }) => {
      if (type === "deleted") for (const { applied } of heard.values()) applied.delete(sliceKey(object));
      poke();
    }),
    nodes.onChange(({ type, object }) => {
      if (type === "deleted") heard.delete(object.metadata.name);
      poke();
    }),
    bus.onStatus((status) => {
      // What was said last may not have been heard.
      if (status === "disconnected") write();
      poke();
    }),
  ];
  const subscription = listen(bus, acksOfTopic(TOPIC), ackCodec, onAck, {
    ...(options.registry === undefined ? {} : { registry: options.registry }),
    onInvalid: (err) => log.warn("invalid acknowledgement dropped", { err }),
    onRefused: () => log.warn("acknowledgements refused: ending pods wait the full time", { node }),
  });

  return {
    drain: (pod) =>
      new Promise((resolve) => {
        const { namespace, name, uid = "" } = pod.metadata;
        // A pod whose actor starts anew goes on waiting for what it waited for; who asked before is answered too.
        const before = waiting.get(uid);
        const drain = before?.drain ?? startDrain(uid, clock.monotonic());
        const both = (): void => {
          before?.resolve();
          resolve();
        };
        waiting.set(uid, { name: `${namespace}/${name}`, drain, resolve: both });
        review();
      }),
    applied(list) {
      const news = own.take(list, clock.monotonic());
      if (!beating) {
        beating = true;
        beat();
      } else if (Object.keys(news).length > 0) publish();
      if (bus.status() === "disconnected" && Object.keys(news).length > 0) write();
      note(node, news);
    },
    stop() {
      cancelBeat();
      cancelWait();
      subscription.unsubscribe();
      unfollow?.();
      acks.stop();
      for (const stop of stops) stop();
    },
  };
}

const NONE: ReadonlyMap<string, number> = new Map();

function isReady({ status }: Node): boolean {
  return status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}
