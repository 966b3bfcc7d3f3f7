import { type Clock, hasCode, systemClock } from "@trireme/base";
import { type Bus, type StreamMessage, listen, streamCodec } from "@trireme/bus";
import type { ApiObject, WatchEvent } from "@trireme/client";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import { type InformerCommand, InformerCore, type InformerOutput } from "./informer-core.ts";
import type { Change, Informer, ListWatch } from "./informer-types.ts";
import { type InformerMetrics, informerMetrics } from "./metrics.ts";

/** What one informer follows, and by which ways. */
export interface InformerOptions<T extends ApiObject> {
  /** The resource's name in logs and metrics. */
  readonly name: string;
  readonly listWatch: ListWatch<T>;
  readonly fieldSelector?: string;
  /** The relay's stream of exactly these objects; without it the API watch is the only way. */
  readonly stream?: { readonly bus: Bus; readonly subject: string };
  /** Which objects belong here; needed with a field selector, for objects that are read by key. */
  readonly matches?: (object: T) => boolean;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly registry?: Registry;
  /** Told of each list of the API, and of each watch that ended, and whether it ended well. */
  readonly onRead?: (kind: "list" | "watch", ok: boolean) => void;
}

/** How often silence of the stream is looked for. */
const TICK_MS = 1000;

/** Everything is read again this often, against what went wrong unnoticed. */
const RELIST_MS = 600_000;

/** Spread of the relists, so that the informers of a cluster do not list in one instant. */
const RELIST_SPREAD = 0.2;

/** Creates an informer; it does nothing until `start`. */
export function createInformer<T extends ApiObject>(options: InformerOptions<T>): Informer<T> {
  return new InformerShell(options);
}

class InformerShell<T extends ApiObject> implements Informer<T> {
  readonly synced: Promise<void>;
  private readonly options: InformerOptions<T>;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly metrics: InformerMetrics;
  private readonly core: InformerCore<T>;
  private readonly listeners = new Set<(change: Change<T>) => void>();
  private readonly cleanups = new Set<() => void>();
  private reading: AbortController | undefined;
  private cancelPause: (() => void) | undefined;
  private resolveSynced: () => void = () => {};

  constructor(options: InformerOptions<T>) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.log = (options.log ?? silentLogger).child({ resource: options.name });
    this.metrics = informerMetrics(options.registry);
    this.core = new InformerCore(options.matches);
    this.synced = new Promise((resolve) => {
      this.resolveSynced = resolve;
    });
  }

  get hasSynced(): boolean {
    return this.core.hasSynced;
  }

  get revision(): number {
    return this.core.complete;
  }

  get mode(): "idle" | "listing" | "watch" | "stream" {
    return this.core.mode;
  }

  get(namespace: string, name: string): T | undefined {
    return this.core.store.get(`${namespace}/${name}`);
  }

  list(namespace?: string): readonly T[] {
    const all = this.core.store.all();
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  byIndex(indexName: string, value: string): readonly T[] {
    return this.core.store.byIndex(indexName, value);
  }

  addIndex(name: string, indexOf: (object: T) => readonly string[]): void {
    this.core.store.addIndex(name, indexOf);
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    this.listeners.add(listener);
    for (const key of this.core.store.keys())
      this.tell(listener, { type: "added", key, object: this.core.store.get(key)! });
    return () => this.listeners.delete(listener);
  }

  start(): void {
    if (this.core.mode !== "idle") return;
    const { stream, registry, name } = this.options;
    if (stream !== undefined) {
      const onMessage = (message: StreamMessage): void =>
        this.take(this.core.onStream(message, this.clock.monotonic()));
      const subscription = listen(stream.bus, stream.subject, streamCodec, onMessage, {
        ...(registry === undefined ? {} : { registry }),
        onInvalid: (err) => this.log.warn("invalid stream message dropped", { err }),
        onRefused: () => this.log.warn("stream refused, the api is watched instead", { subject: stream.subject }),
      });
      this.cleanups.add(() => subscription.unsubscribe());
      this.cleanups.add(stream.bus.onStatus((status) => status === "disconnected" && this.take(this.core.onBusDown())));
      this.every(TICK_MS, () => this.take(this.core.onTick(this.clock.monotonic())));
    }
    this.every(RELIST_MS * (1 + RELIST_SPREAD * (Math.random() - 0.5)), () => this.take(this.core.relist()));
    this.metrics.streaming.set(0, { resource: name });
    this.take(this.core.start());
  }

  stop(): void {
    if (this.core.mode === "idle") return;
    for (const cleanup of this.cleanups) cleanup();
    this.cleanups.clear();
    this.take(this.core.stop());
  }

  private every(ms: number, run: () => void): void {
    let cancel: () => void = () => {};
    const arm = (): void => {
      cancel = this.clock.after(ms, () => {
        run();
        arm();
      });
    };
    arm();
    this.cleanups.add(() => cancel());
  }

  /** Carries out what the core decided. Commands come first: a listener may call back into this informer. */
  private take(output: InformerOutput<T>): void {
    for (const command of output.commands) this.execute(command);
    if (this.core.hasSynced) this.resolveSynced();
    if (output.changes.length > 0) this.metrics.objects.set(this.core.store.size, { resource: this.options.name });
    for (const change of output.changes) for (const listener of [...this.listeners]) this.tell(listener, change);
  }

  private tell(listener: (change: Change<T>) => void, change: Change<T>): void {
    try {
      listener(change);
    } catch (err) {
      // The copy stays whole whatever a listener does; its own controller's resync makes up for what it missed.
      this.log.error("informer listener failed", { key: change.key, err });
    }
  }

  private execute(command: InformerCommand): void {
    const resource = this.options.name;
    if (command.type === "fetch") {
      void this.fetch(command.session, command.key, command.revision);
      return;
    }
    this.endReading();
    const streaming = this.core.mode === "stream";
    this.metrics.streaming.set(streaming ? 1 : 0, { resource });
    if (command.type === "closeWatch") {
      if (streaming) this.log.debug("informer follows the stream", { revision: this.core.complete });
      return;
    }
    const reason = this.core.lastLeave;
    if (reason !== undefined) {
      this.core.lastLeave = undefined;
      this.metrics.leaves.inc({ resource, reason });
      this.log.debug("informer left the stream", { reason, revision: this.core.complete });
    }
    const reading = new AbortController();
    this.reading = reading;
    const begin = (): void => {
      this.cancelPause = undefined;
      if (command.type === "list") void this.readList(command.session, reading.signal);
      else void this.watch(command.session, command.from, reading.signal);
    };
    if (command.pauseMs === 0) begin();
    else this.cancelPause = this.clock.after(command.pauseMs, begin);
  }

  private endReading(): void {
    this.cancelPause?.();
    this.cancelPause = undefined;
    this.reading?.abort();
    this.reading = undefined;
  }

  private selector(): { fieldSelector?: string } {
    const { fieldSelector } = this.options;
    return fieldSelector === undefined ? {} : { fieldSelector };
  }

  private async readList(session: number, signal: AbortSignal): Promise<void> {
    const resource = this.options.name;
    try {
      const { items, resourceVersion } = await this.options.listWatch.list({ ...this.selector(), signal });
      this.metrics.lists.inc({ resource, result: "ok" });
      this.options.onRead?.("list", true);
      this.take(this.core.onListed(session, items, Number(resourceVersion)));
    } catch (err) {
      if (signal.aborted) return;
      this.metrics.lists.inc({ resource, result: "error" });
      this.options.onRead?.("list", false);
      this.log.warn("informer list failed", { err });
      this.take(this.core.onListFailed(session));
    }
  }

  private async watch(session: number, from: number, signal: AbortSignal): Promise<void> {
    const resource = this.options.name;
    const onEvent = (event: WatchEvent<T>): void => this.take(this.core.onWatchEvent(session, event));
    try {
      const options = { resourceVersion: String(from), ...this.selector(), allowBookmarks: true, signal };
      await this.options.listWatch.watch(options, onEvent);
      if (signal.aborted) return;
      this.metrics.watches.inc({ resource, result: "ended" });
      this.options.onRead?.("watch", true);
      this.take(this.core.onWatchEnded(session, "ended"));
    } catch (err) {
      if (signal.aborted) return;
      const expired = hasCode(err, "Expired") || hasCode(err, "Gone");
      this.metrics.watches.inc({ resource, result: expired ? "expired" : "failed" });
      this.options.onRead?.("watch", expired);
      if (!expired) this.log.info("informer watch failed", { revision: from, err });
      this.take(this.core.onWatchEnded(session, expired ? "expired" : "failed"));
    }
  }

  private async fetch(session: number, key: string, revision: number): Promise<void> {
    const slash = key.indexOf("/");
    try {
      const object = await this.options.listWatch.get(key.slice(0, slash), key.slice(slash + 1));
      this.take(this.core.onFetched(session, key, revision, object));
    } catch (err) {
      if (hasCode(err, "NotFound")) this.take(this.core.onFetched(session, key, revision, undefined));
      else this.take(this.core.onFetchFailed(session, key, revision));
    }
  }
}
