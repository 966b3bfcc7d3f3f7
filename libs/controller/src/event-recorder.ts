import { EVENTS, type Event, type KubeObject } from "@trireme/api";
import type { ApiClient } from "@trireme/client";
import { BoundedQueue, type Clock, errorFrom } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";

/** Writes Events about objects. Best effort: it never fails and never waits; what does not fit is dropped. */
export interface EventRecorder {
  normal(object: KubeObject, reason: string, message: string): void;
  warning(object: KubeObject, reason: string, message: string): void;
  /** Drops what waits. */
  stop(): void;
}

/** A recorder that several components of one process share, with its bounds and memory. */
export interface SharedEventRecorder extends EventRecorder {
  /** The recorder that tells under this component's name. */
  as(component: string): SharedEventRecorder;
}

/** What an {@link EventRecorder} needs. */
export interface EventRecorderOptions {
  readonly client: ApiClient;
  /** `source.component` and `reportingComponent`, e.g. `default-scheduler`. */
  readonly component: string;
  /** `source.host`: the node that reports. */
  readonly host?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

// Events that wait to be written: enough for a burst of some hundred pods, small beside everything else.
const MAX_QUEUED = 1024;
// Events are told to people; two writes at a time never crowd out the writes that they tell about.
const MAX_WRITERS = 2;
// Events wait a little, so that in a burst the writes that they tell about go first.
const WRITE_AFTER_MS = 100;
// What is remembered to count repetitions instead of writing them anew.
const MAX_REMEMBERED = 2048;
// A repetition within this time raises the count of the first event (Kubernetes' aggregation window).
const REPEAT_WINDOW_MS = 10 * 60_000;
// Each object may cause so many events at once, and one more every REFILL_MS: a loop can not flood the store.
const BURST_PER_OBJECT = 25;
const REFILL_MS = 10_000;
// A longer message is cut: the API refuses more.
const MAX_MESSAGE_LENGTH = 1024;

interface Told {
  readonly name: string;
  readonly namespace: string;
  readonly firstTimestamp: string;
  count: number;
  lastMs: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

interface Telling {
  readonly component: string;
  readonly object: KubeObject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly atMs: number;
}

/** Creates a recorder. */
export function createEventRecorder(options: EventRecorderOptions): SharedEventRecorder {
  const { client, clock, log } = options;
  const queue = new BoundedQueue<Telling>(MAX_QUEUED);
  const told = new Map<string, Told>();
  const buckets = new Map<string, Bucket>();
  let writers = 0;
  let serial = 0;
  let stopped = false;

  function tell({ object, type, reason, message, component }: Omit<Telling, "atMs">): void {
    if (stopped || !mayTell(object)) return;
    const short = message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH - 3)}...` : message;
    if (!queue.push({ component, object, type, reason, message: short, atMs: clock.now() })) {
      log.debug("event dropped: the queue is full", { reason });
      return;
    }
    if (writers < MAX_WRITERS) begin();
  }

  function mayTell(object: KubeObject): boolean {
    const uid = object.metadata.uid ?? object.metadata.name;
    const now = clock.monotonic();
    const bucket = buckets.get(uid) ?? { tokens: BURST_PER_OBJECT, atMs: now };
    bucket.tokens = Math.min(BURST_PER_OBJECT, bucket.tokens + (now - bucket.atMs) / REFILL_MS);
    bucket.atMs = now;
    remember(buckets, uid, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  function begin(): void {
    writers += 1;
    clock.after(WRITE_AFTER_MS, () => void drain());
  }

  async function drain(): Promise<void> {
    try {
      for (let telling = queue.shift(); telling !== undefined && !stopped; telling = queue.shift()) {
        try {
          await write(telling);
        } catch (thrown) {
          // Its repetition, if there is one, is written anew: this one may not exist, or no longer.
          told.delete(identity(telling));
          log.debug("event not written", { reason: telling.reason, err: errorFrom(thrown) });
        }
      }
    } finally {
      writers -= 1;
    }
  }

  async function write(telling: Telling): Promise<void> {
    const { component, object, type, reason, message, atMs } = telling;
    const key = identity(telling);
    const before = told.get(key);
    const time = `${new Date(atMs).toISOString().slice(0, 19)}Z`;
    if (before !== undefined && atMs - before.lastMs < REPEAT_WINDOW_MS) {
      before.count += 1;
      before.lastMs = atMs;
      const body = { count: before.count, lastTimestamp: time };
      await client.resource<Event>(EVENTS, before.namespace).patch(before.name, { type: "merge", body });
      return;
    }
    const namespace = object.metadata.namespace ?? "default";
    serial += 1;
    const suffix = `${Math.floor(clock.now()).toString(16)}${serial.toString(16).padStart(4, "0")}`;
    const name = `${object.metadata.name}.${suffix}`;
    remember(told, key, { name, namespace, firstTimestamp: time, count: 1, lastMs: atMs });
    const source = { component, ...(options.host === undefined ? {} : { host: options.host }) };
    await client.resource<Event>(EVENTS, namespace).create({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: referenceTo(object),
      type,
      reason,
      message,
      source,
      reportingComponent: component,
      ...(options.host === undefined ? {} : { reportingInstance: options.host }),
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    });
  }

  const named = (component: string): SharedEventRecorder => ({
    normal: (object, reason, message) => tell({ component, object, type: "Normal", reason, message }),
    warning: (object, reason, message) => tell({ component, object, type: "Warning", reason, message }),
    as: named,
    stop() {
      stopped = true;
      queue.clear();
    },
  });
  return named(options.component);
}

function identity({ component, object, type, reason, message }: Telling): string {
  return [component, object.metadata.uid ?? object.metadata.name, type, reason, message].join("\n");
}

function referenceTo(object: KubeObject): Event["involvedObject"] {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return {
    ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
    ...(object.kind === undefined ? {} : { kind: object.kind }),
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** Sets an entry as the newest and forgets the oldest beyond the bound. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MAX_REMEMBERED) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
