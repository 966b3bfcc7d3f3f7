import type { Clock } from "@trireme/base";
import { type KubeObject, NODES, PODS, type Resource, SECRETS, groupResource } from "@trireme/api";
import { type Bus, StreamPublisher, eventSubject, podsOnNodeSubject } from "@trireme/bus";
import { type Election, createElection } from "@trireme/controller";
import type { Counter, Logger, Registry } from "@trireme/telemetry";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { StoredEvent } from "../storage/stored-object.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import { pipelineLeases } from "./pipeline-leases.ts";

/** Between two bookmarks of a stream: consumers take three seconds of silence for a loss. */
const BOOKMARK_EVERY_MS = 1000;

/** What the relay needs. */
export interface RelayOptions {
  readonly pipeline: RequestPipeline;
  readonly cache: WatchCache;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: Registry;
  /** The server's name: its identity in the election. */
  readonly name: string;
  readonly resources: readonly Resource[];
}

/**
 * Publishes what the watch cache sees as streams: one per resource, one per node for its pods. One server of the
 * cluster does it at a time. Streams are hints: what is published while the bus is away is lost, and the hole in the
 * sequence tells consumers so.
 */
export class Relay {
  private readonly options: RelayOptions;
  private readonly election: Election;
  private readonly events: Counter<"resource"> | undefined;
  private readonly unsubscribe: (() => void)[] = [];
  private publisher: StreamPublisher | undefined;
  private term = 0;
  /** Times in this term that the streams had to start over. */
  private restarts = 0;
  private cancelBookmarks: (() => void) | undefined;

  constructor(options: RelayOptions) {
    this.options = options;
    const { pipeline, clock, log, name, metrics } = options;
    this.events = metrics?.counter("tri_relay_events_total", "Events published on the bus.", ["resource"]);
    this.election = createElection({
      name: "relay",
      identity: name,
      leases: pipelineLeases(pipeline),
      clock,
      log,
      ...(metrics === undefined ? {} : { registry: metrics }),
      onAcquired: (fence) => this.begin(Number(fence.slice(fence.indexOf("=") + 1))),
      onLost: () => this.end(),
    });
  }

  start(): void {
    this.election.start();
  }

  async stop(): Promise<void> {
    await this.election.stop();
    this.end();
  }

  private begin(term: number): void {
    this.end();
    this.term = term;
    this.restarts = 0;
    for (const resource of this.options.resources) {
      const listener = {
        onEvent: (event: StoredEvent) => this.publish(resource, event),
        onReset: () => this.restart(),
      };
      this.unsubscribe.push(this.options.cache.subscribe(resource, listener));
    }
    this.openStreams();
    this.scheduleBookmarks();
  }

  private end(): void {
    this.publisher = undefined;
    this.cancelBookmarks?.();
    for (const one of this.unsubscribe.splice(0)) one();
  }

  /** The cache skipped history: events are missing from the streams, so they begin again under a greater epoch. */
  private restart(): void {
    if (this.publisher === undefined) return;
    this.restarts += 1;
    this.openStreams();
  }

  private openStreams(): void {
    const { bus, cache, log, metrics, resources } = this.options;
    // The fence grows with each term, by far more than one term ever restarts: each renewal is a revision too.
    const epoch = String(this.term + this.restarts);
    this.publisher = new StreamPublisher({
      epoch,
      publish: (subject, payload) => bus.publish(subject, payload),
      ...(metrics === undefined ? {} : { registry: metrics }),
    });
    // What a resource's last change made of it, readers of the API find; the streams carry what comes after.
    for (const resource of resources) this.publisher.open(eventSubject(resource), cache.of(resource).lastChange);
    for (const node of cache.of(NODES).range("")) this.openNode(node.path);
    log.info("relay publishes", { epoch, revision: cache.revision });
  }

  private openNode(node: string, revision = this.options.cache.of(PODS).lastChange): void {
    this.publisher?.open(podsOnNodeSubject(node), revision);
  }

  private publish(resource: Resource, event: StoredEvent): void {
    const { publisher } = this;
    if (publisher === undefined) return;
    const { type, revision } = event;
    const { object } = event.stateFor(type);
    const isSecret = resource.group === SECRETS.group && resource.resource === SECRETS.resource;
    const change = {
      revision,
      type,
      key: resource.namespaced ? event.path : `/${event.path}`,
      ...(isSecret ? {} : { object: object as unknown as Readonly<Record<string, unknown>> }),
    };
    publisher.event(eventSubject(resource), change);
    this.events?.inc({ resource: groupResource(resource) });
    if (resource.group !== "") return;
    if (resource.resource === NODES.resource) this.followNode(event);
    if (resource.resource !== PODS.resource) return;
    const node = nodeOf(object);
    if (node === "") return;
    this.openNode(node, revision - 1);
    publisher.event(podsOnNodeSubject(node), change);
  }

  private followNode(event: StoredEvent): void {
    if (event.type === "ADDED") this.openNode(event.path);
    if (event.type === "DELETED") this.publisher?.close(podsOnNodeSubject(event.path));
  }

  private scheduleBookmarks(): void {
    this.cancelBookmarks = this.options.clock.after(BOOKMARK_EVERY_MS, () => {
      this.publisher?.bookmarks(this.options.cache.revision);
      this.scheduleBookmarks();
    });
  }
}

function nodeOf(object: KubeObject): string {
  return (object as { spec?: { nodeName?: string } }).spec?.nodeName ?? "";
}
