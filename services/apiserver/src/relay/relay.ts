import type { Clock } from "@trireme/base";
import { type KubeObject, NODES, PODS, type Resource, SECRETS } from "@trireme/api";
import {
  type Bus,
  MAX_STREAM_OBJECT_BYTES,
  type StreamEvent,
  eventSubject,
  podsOnNodeSubject,
  streamCodec,
} from "@trireme/bus";
import type { Logger } from "@trireme/telemetry";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { StoredEvent, StoredObject } from "../storage/stored-object.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import { RelayElection } from "./election.ts";

/** Between two bookmarks of a stream: consumers take three seconds of silence for a loss. */
const BOOKMARK_EVERY_MS = 1000;

/** What the relay needs. */
export interface RelayOptions {
  readonly pipeline: RequestPipeline;
  readonly cache: WatchCache;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** The server's name: its identity in the election. */
  readonly name: string;
  readonly resources: readonly Resource[];
}

interface Stream {
  readonly subject: string;
  /** Sequence number of the last event. */
  seq: number;
  /** Revision of the last event, or an upper bound of it before the first. */
  revision: number;
}

/**
 * Publishes what the watch cache sees as streams: one per resource, one per node for its pods. One server of the
 * cluster does it at a time, each term of office under an epoch of its own. Streams are hints: when the bus is away
 * nothing is kept, and a new epoch tells consumers that they missed something.
 */
export class Relay {
  private readonly options: RelayOptions;
  private readonly election: RelayElection;
  private readonly streams = new Map<string, Stream>();
  private readonly unsubscribe: (() => void)[] = [];
  private epoch = "";
  private term = 0;
  private epochs = 0;
  private cancelBookmark: (() => void) | undefined;

  constructor(options: RelayOptions) {
    this.options = options;
    const { pipeline, clock, log, name } = options;
    this.election = new RelayElection(
      { pipeline, clock, log, identity: name },
      { onAcquired: (term) => this.begin(term), onLost: () => this.end() },
    );
  }

  start(): void {
    this.unsubscribe.push(
      this.options.bus.onStatus((status) => {
        if (status === "connected" && this.term > 0) this.newEpoch();
        else this.epoch = "";
      }),
    );
    this.election.start();
  }

  async stop(): Promise<void> {
    await this.election.stop();
    this.end();
    for (const one of this.unsubscribe.splice(0)) one();
  }

  private begin(term: number): void {
    this.end();
    this.term = term;
    for (const resource of this.options.resources) {
      const listener = {
        onEvent: (event: StoredEvent) => this.publish(resource, event),
        onReset: () => this.newEpoch(),
      };
      this.unsubscribe.push(this.options.cache.subscribe(resource, listener));
    }
    this.newEpoch();
    this.scheduleBookmarks();
  }

  private end(): void {
    if (this.term === 0) return;
    this.term = 0;
    this.epoch = "";
    this.streams.clear();
    this.cancelBookmark?.();
    // The first entry follows the bus and outlives terms.
    for (const one of this.unsubscribe.splice(1)) one();
  }

  /** Starts all streams over: consumers see an epoch that they do not know and look at the API. */
  private newEpoch(): void {
    this.streams.clear();
    if (this.term === 0 || this.options.bus.status() !== "connected") {
      this.epoch = "";
      return;
    }
    this.epochs += 1;
    this.epoch = `${this.options.name}-${this.term}-${this.epochs}`;
    this.options.log.info("relay epoch", { epoch: this.epoch, revision: this.options.cache.revision });
    this.bookmark();
  }

  private publish(resource: Resource, event: StoredEvent): void {
    if (this.epoch === "") return;
    const { type } = event;
    const state = event.stateFor(type);
    const base = {
      v: 1 as const,
      kind: "event" as const,
      epoch: this.epoch,
      revision: event.revision,
      type,
      key: resource.namespaced ? event.path : `/${event.path}`,
      ...this.bodyOf(resource, state),
    };
    this.send(this.stream(eventSubject(resource), resource), base);
    if (resource.resource !== PODS.resource) return;
    const node = nodeOf(state.object);
    if (node !== "") this.send(this.stream(podsOnNodeSubject(node), resource), base);
  }

  private bodyOf(resource: Resource, state: StoredObject): { object?: Readonly<Record<string, unknown>> } {
    if (resource.resource === SECRETS.resource && resource.group === "") return {};
    if (state.json.length > MAX_STREAM_OBJECT_BYTES) return {};
    return { object: state.object as unknown as Readonly<Record<string, unknown>> };
  }

  private send(stream: Stream, event: Omit<StreamEvent, "seq">): void {
    stream.seq += 1;
    stream.revision = event.revision;
    this.options.bus.publish(stream.subject, streamCodec.encode({ ...event, seq: stream.seq }));
  }

  private stream(subject: string, resource: Resource): Stream {
    const known = this.streams.get(subject);
    if (known !== undefined) return known;
    // Before this epoch's first event: no change of the resource is newer than its cache's last.
    const stream = { subject, seq: 0, revision: this.options.cache.of(resource).lastChange };
    this.streams.set(subject, stream);
    return stream;
  }

  private bookmark(): void {
    if (this.epoch === "") return;
    const { cache, resources } = this.options;
    for (const resource of resources) this.stream(eventSubject(resource), resource);
    for (const node of cache.of(NODES).range("")) this.stream(podsOnNodeSubject(node.path), PODS as Resource);
    for (const { subject, seq, revision } of this.streams.values()) {
      const message = { v: 1, kind: "bookmark", epoch: this.epoch, seq, revision } as const;
      this.options.bus.publish(subject, streamCodec.encode(message));
    }
  }

  private scheduleBookmarks(): void {
    this.cancelBookmark = this.options.clock.after(BOOKMARK_EVERY_MS, () => {
      this.bookmark();
      this.scheduleBookmarks();
    });
  }
}

function nodeOf(object: KubeObject): string {
  return (object as { spec?: { nodeName?: string } }).spec?.nodeName ?? "";
}
