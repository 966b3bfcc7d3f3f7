import { assert } from "@trireme/base";
import type { Gauge, Registry } from "@trireme/telemetry";
import { MAX_STREAM_OBJECT_BYTES } from "./bus.ts";
import { type EventType, type StreamMessage, streamCodec } from "./messages.ts";

/** What the relay says about one change. */
export interface StreamChange {
  readonly revision: number;
  readonly type: EventType;
  /** `<namespace>/<name>`. */
  readonly key: string;
  readonly object?: Readonly<Record<string, unknown>>;
}

/** Where a publisher sends, and as which relay. */
export interface StreamPublisherOptions {
  /** The relay's fence: a new term of office has a greater one, so consumers know which of two relays is the newer. */
  readonly epoch: string;
  readonly publish: (subject: string, payload: Uint8Array) => void;
  /** Shows the streams' sequence numbers as `tri_relay_stream_seq{stream}`. */
  readonly registry?: Registry;
}

interface Stream {
  seq: number;
  revision: number;
  atRevision: number;
}

/** The envelope beside the object: epoch, key and numbers. */
const ENVELOPE_BYTES = 2048;

/** One stream per resource and per node; a cluster has some dozens of the former and hundreds of the latter. */
const MAX_STREAMS = 10_000;

/**
 * Numbers the events of each stream of one term of office. The caller's duties: `open` a stream before its first event,
 * with the revision up to which consumers find everything by reading the API; feed events in the order of their
 * revisions, all of one revision before the next; call `bookmarks` each second between revisions; make a new publisher,
 * with a new epoch, for each term.
 */
export class StreamPublisher {
  readonly epoch: string;
  private readonly publish: (subject: string, payload: Uint8Array) => void;
  private readonly gauge: Gauge<"stream"> | undefined;
  private readonly streams = new Map<string, Stream>();

  constructor(options: StreamPublisherOptions) {
    assert(options.epoch !== "", "an epoch has a name");
    this.epoch = options.epoch;
    this.publish = options.publish;
    this.gauge = options.registry?.gauge("tri_relay_stream_seq", "Sequence number of the last event of a stream.", [
      "stream",
    ]);
  }

  /** Subjects of the streams that are open. */
  get subjects(): readonly string[] {
    return [...this.streams.keys()];
  }

  /** Begins a stream: all that happened up to `revision` is not on it. A no-op for a stream that is open. */
  open(subject: string, revision: number): void {
    if (this.streams.has(subject)) return;
    assert(this.streams.size < MAX_STREAMS, `a relay publishes at most ${MAX_STREAMS} streams`);
    const stream: Stream = { seq: 0, revision, atRevision: 0 };
    this.streams.set(subject, stream);
    this.show(subject, stream);
    this.bookmark(subject, stream, revision);
  }

  /** Ends a stream, e.g. that of a node which left. */
  close(subject: string): void {
    if (this.streams.delete(subject)) this.gauge?.remove({ stream: streamName(subject) });
  }

  /** Publishes one event. The object rides along unless it is absent, a Secret, or too large. */
  event(subject: string, change: StreamChange): void {
    const stream = this.streams.get(subject);
    assert(stream !== undefined, `the stream ${subject} is open before its first event`);
    if (stream === undefined) return;
    const isNew = change.revision > stream.revision || (stream.atRevision > 0 && change.revision === stream.revision);
    assert(isNew, `revisions on ${subject} do not go back: ${change.revision} after ${stream.revision}`);
    stream.atRevision = change.revision === stream.revision ? stream.atRevision + 1 : 1;
    stream.revision = change.revision;
    stream.seq += 1;
    const { revision, type, key, object } = change;
    const bare = { v: 1, kind: "event", epoch: this.epoch, seq: stream.seq, revision, type, key } as const;
    const mayRide = object !== undefined && object["kind"] !== "Secret";
    const payload = streamCodec.encode(mayRide ? { ...bare, object } : bare);
    const fits = payload.length <= MAX_STREAM_OBJECT_BYTES + ENVELOPE_BYTES;
    this.publish(subject, fits ? payload : streamCodec.encode(bare));
    this.show(subject, stream);
  }

  /** Publishes each stream's bookmark. `through`: the revision of the whole store up to which all events were fed. */
  bookmarks(through?: number): void {
    for (const [subject, stream] of this.streams) this.bookmark(subject, stream, through);
  }

  private bookmark(subject: string, stream: Stream, through: number | undefined): void {
    const message: StreamMessage = {
      v: 1,
      kind: "bookmark",
      epoch: this.epoch,
      seq: stream.seq,
      revision: stream.revision,
      ...(stream.atRevision === 0 ? {} : { atRevision: stream.atRevision }),
      ...(through === undefined ? {} : { through }),
    };
    this.publish(subject, streamCodec.encode(message));
  }

  private show(subject: string, stream: Stream): void {
    this.gauge?.set(stream.seq, { stream: streamName(subject) });
  }
}

function streamName(subject: string): string {
  return subject.replace("tri.v1.event.", "");
}
