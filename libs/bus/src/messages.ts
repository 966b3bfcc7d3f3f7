import { type Codec, createCodec, isCount, isMap, isText } from "./codec.ts";

/** What happened to an object, in the API's own words. */
export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** One change of one object on a stream. */
export interface StreamEvent {
  readonly v: 1;
  readonly kind: "event";
  /** Names one term of office of one relay; sequence numbers compare only within it. */
  readonly epoch: string;
  /** Dense per subject, from 1: a hole is a lost message. */
  readonly seq: number;
  /** resourceVersion of this event. */
  readonly revision: number;
  readonly type: EventType;
  /** `<namespace>/<name>`, with an empty namespace for cluster-scoped objects. */
  readonly key: string;
  /** The object (for DELETED: its last state), unless it is too large; then the consumer reads it by key. */
  readonly object?: Readonly<Record<string, unknown>>;
}

/** Says each second how far a stream is, so that a loss at its tail and a silence are noticed. */
export interface StreamBookmark {
  readonly v: 1;
  readonly kind: "bookmark";
  readonly epoch: string;
  /** Sequence number of the last event of this stream (0: none yet); a bookmark uses up no number of its own. */
  readonly seq: number;
  /** Revision of the last event of this stream, or of the relay's starting point. */
  readonly revision: number;
  /**
   * How many events of this stream have exactly that revision: a transaction may change several objects at once, so
   * having seen one event of a revision does not mean having seen them all.
   */
  readonly atRevision?: number;
  /** Every event of this stream up to this revision of the whole store has been published. */
  readonly through?: number;
}

/** Everything that travels on `tri.v1.event.>`. */
export type StreamMessage = StreamEvent | StreamBookmark;

const EVENT_TYPES: ReadonlySet<unknown> = new Set<EventType>(["ADDED", "MODIFIED", "DELETED"]);

/** Codec of {@link StreamMessage}. */
export const streamCodec: Codec<StreamMessage> = createCodec<StreamMessage>("stream message", (m) => {
  if (!isText(m["epoch"], 128) || m["epoch"] === "") return "epoch is a short text";
  if (!isCount(m["seq"])) return "seq is a count";
  if (!isCount(m["revision"])) return "revision is a count";
  if (m["kind"] === "bookmark") {
    for (const name of ["atRevision", "through"]) {
      if (m[name] !== undefined && !isCount(m[name])) return `${name} is a count`;
    }
    return undefined;
  }
  if (m["kind"] !== "event") return "kind is event or bookmark";
  if (!EVENT_TYPES.has(m["type"])) return "type is ADDED, MODIFIED or DELETED";
  if (!isText(m["key"], 512) || !m["key"].includes("/")) return "key is <namespace>/<name>";
  if (m["object"] !== undefined && !(isMap(m["object"]) && isMap(m["object"]["metadata"])))
    return "object has metadata";
  return undefined;
});

/** A node is alive. `sequence` counts up since the agent started at `startedAtMs` (wall clock, for people). */
export interface Heartbeat {
  readonly v: 1;
  readonly node: string;
  readonly sequence: number;
  readonly startedAtMs: number;
}

/** Codec of {@link Heartbeat}. */
export const heartbeatCodec: Codec<Heartbeat> = createCodec<Heartbeat>("heartbeat", (m) => {
  if (!isText(m["node"], 253) || m["node"] === "") return "node is a node name";
  if (!isCount(m["sequence"])) return "sequence is a count";
  return isCount(m["startedAtMs"]) ? undefined : "startedAtMs is a count";
});

/** What something uses: CPU over the last moments, and its working set. */
export interface Usage {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** What a pod uses: the sum of its containers, by name; `windowMs` is the time over which the CPU was measured. */
export interface PodUsage extends Usage {
  readonly windowMs: number;
  readonly containers: Readonly<Record<string, Usage>>;
}

/** What a node and its pods use now, by the node's own clock. Keys of `pods` are `<namespace>/<name>`. */
export interface Sample extends Usage {
  readonly v: 1;
  readonly node: string;
  readonly atMs: number;
  readonly windowMs: number;
  readonly pods: Readonly<Record<string, PodUsage>>;
}

function isUsage(value: unknown): value is Record<string, unknown> {
  return isMap(value) && isCount(value["cpuMillis"]) && isCount(value["memoryBytes"]);
}

/** Codec of {@link Sample}. */
export const sampleCodec: Codec<Sample> = createCodec<Sample>("sample", (m) => {
  if (!isText(m["node"], 253) || m["node"] === "") return "node is a node name";
  for (const name of ["atMs", "windowMs", "cpuMillis", "memoryBytes"]) {
    if (!isCount(m[name])) return `${name} is a count`;
  }
  if (!isMap(m["pods"])) return "pods is a map";
  for (const [key, pod] of Object.entries(m["pods"])) {
    if (!isUsage(pod) || !isCount(pod["windowMs"]) || !isMap(pod["containers"])) return `pods[${key}] is a usage`;
    if (!Object.values(pod["containers"]).every(isUsage)) return `pods[${key}].containers are usages`;
  }
  return undefined;
});

/** A node has applied these objects up to these revisions, e.g. its proxy the EndpointSlices of a Service. */
export interface Ack {
  readonly v: 1;
  readonly node: string;
  /** `<namespace>/<name>` to resourceVersion. */
  readonly applied: Readonly<Record<string, number>>;
}

/** Codec of {@link Ack}. */
export const ackCodec: Codec<Ack> = createCodec<Ack>("ack", (m) => {
  if (!isText(m["node"], 253) || m["node"] === "") return "node is a node name";
  if (!isMap(m["applied"])) return "applied is a map";
  for (const [key, revision] of Object.entries(m["applied"])) {
    if (!isCount(revision)) return `applied[${key}] is a revision`;
  }
  return undefined;
});

/** One decision of a supervisor. */
export interface ActorDecision {
  readonly v: 1;
  readonly component: string;
  readonly behaviour: string;
  readonly actor: string;
  readonly decision: string;
  readonly reason: string;
  readonly restarts: number;
}

/** Codec of {@link ActorDecision}. */
export const actorDecisionCodec: Codec<ActorDecision> = createCodec<ActorDecision>("actor decision", (m) => {
  for (const name of ["component", "behaviour", "actor", "decision", "reason"]) {
    if (!isText(m[name], 2048)) return `${name} is a text`;
  }
  return isCount(m["restarts"]) ? undefined : "restarts is a count";
});
