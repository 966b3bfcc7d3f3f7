import { type ServerDuplexStream, type UntypedServiceImplementation, status } from "@grpc/grpc-js";
import { ERROR_TEXT, type Watcher } from "@trireme/mvcc";
import {
  type WatchCreateRequest,
  WatchCreateRequest_FilterType as Filter,
  type WatchRequest,
  type WatchResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import { FAILURE_TEXT } from "../replica/failures.ts";
import { roleOf } from "./access.ts";
import { fromWatchEvent, toKey } from "./convert.ts";
import type { Requests } from "./requests.ts";
import { toServiceError } from "./status.ts";
import type { StreamCounter } from "./unary.ts";

/** Events that one response carries, about: a revision is never split unless the client asked for fragments. */
const BATCH_EVENTS = 256;

/** Bytes of keys and values in one message to a client that asked for fragments: etcd's limit of a request. */
const FRAGMENT_BYTES = 1.5 * 1024 * 1024;

/** An idle watcher that asked for it hears this often how far everything has been delivered. */
const PROGRESS_MS = 1000;

/** Watches on one stream; bounds what one connection can make us hold. */
const MAX_WATCHERS = 10_000;

/** A stream that requires a leader ends when there has been none for this long. */
const NO_LEADER_MS = 2000;
const LEADER_CHECK_MS = 250;

/** Stands for all watchers of a stream, as etcd writes it. */
const ALL_WATCHERS = -1n;

type Stream = ServerDuplexStream<WatchRequest, WatchResponse>;

interface Watch {
  readonly id: bigint;
  readonly watcher: Watcher;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  /** When something was last sent to it. */
  sentAt: number;
}

/** etcd's Watch service. */
export function watchService(requests: Requests, streams: StreamCounter): UntypedServiceImplementation {
  return {
    watch: (stream: Stream) => {
      const done = streams.begin(stream, "etcdserverpb.Watch", "Watch", "bidi_stream");
      try {
        roleOf(stream);
        requests.refuseLearner();
      } catch (error) {
        stream.emit("error", done(toServiceError(error)));
        return;
      }
      const session = new WatchSession(stream, requests);
      session.start();
    },
  };
}

/** One client's stream of watches. */
class WatchSession {
  private readonly stream: Stream;
  private readonly requests: Requests;
  private readonly watches = new Map<bigint, Watch>();
  private readonly ready = new Set<Watch>();
  private nextId = 0n;
  private blocked = false;
  private scheduled = false;
  private progressWanted = false;
  private timers: NodeJS.Timeout[] = [];
  private leaderlessSince: number | undefined;
  private closed = false;

  constructor(stream: Stream, requests: Requests) {
    this.stream = stream;
    this.requests = requests;
  }

  start(): void {
    const { stream } = this;
    stream.on("data", (request: WatchRequest) => this.handle(request));
    stream.on("drain", () => {
      this.blocked = false;
      this.schedule();
    });
    stream.on("end", () => {
      this.close();
      stream.end();
    });
    stream.on("error", () => this.close());
    stream.on("cancelled", () => this.close());
    stream.on("close", () => this.close());
    this.timers.push(setInterval(() => this.notifyProgress(), PROGRESS_MS));
    if (stream.metadata.get("hasleader")[0] === "true") {
      this.timers.push(setInterval(() => this.checkLeader(), LEADER_CHECK_MS));
    }
  }

  private handle(request: WatchRequest): void {
    switch (request.requestUnion?.$case) {
      case "createRequest":
        this.create(request.requestUnion.value);
        return;
      case "cancelRequest":
        this.cancel(request.requestUnion.value.watchId);
        return;
      case "progressRequest":
        this.progressWanted = true;
        this.schedule();
        return;
      case undefined:
        return;
    }
  }

  private create(request: WatchCreateRequest): void {
    const id = request.watchId === 0n ? this.freeId() : request.watchId;
    const refusal = this.refusal(request, id);
    if (refusal !== undefined) {
      this.send({ watchId: ALL_WATCHERS, created: true, canceled: true, cancelReason: refusal });
      return;
    }
    // As etcd reads it: an empty key is the smallest that there is, and with an end it means "from the first key".
    const key = request.key.length === 0 ? "\0" : toKey(request.key);
    const spec = {
      key: key === "\0" && request.rangeEnd.length > 0 ? "" : key,
      rangeEnd: toKey(request.rangeEnd),
      startRevision: Number(request.startRevision),
      prevKv: request.prevKv,
      noPut: request.filters.includes(Filter.NOPUT),
      noDelete: request.filters.includes(Filter.NODELETE),
    };
    const watcher = this.requests.replica.hub.watch(spec, () => {
      this.ready.add(watch);
      this.schedule();
    });
    const { progressNotify, fragment } = request;
    const watch: Watch = { id, watcher, progressNotify, fragment, sentAt: performance.now() };
    this.watches.set(id, watch);
    this.send({ watchId: id, created: true });
    this.ready.add(watch);
    this.schedule();
  }

  private refusal(request: WatchCreateRequest, id: bigint): string | undefined {
    if (this.watches.size >= MAX_WATCHERS) return `etcdserver: a stream holds at most ${MAX_WATCHERS} watches`;
    if (this.watches.has(id)) return "mvcc: duplicate watch ID provided on the WatchStream";
    if (request.startRevision < 0n) return "etcdserver: a watch cannot start at a negative revision";
    const { key, rangeEnd } = request;
    const toTheEnd = rangeEnd.length === 1 && rangeEnd[0] === 0;
    if (rangeEnd.length > 0 && !toTheEnd && Buffer.compare(key, rangeEnd) >= 0) return "mvcc: watcher range is empty";
    return undefined;
  }

  private freeId(): bigint {
    while (this.watches.has(this.nextId)) this.nextId += 1n;
    return this.nextId++;
  }

  private cancel(id: bigint): void {
    const watch = this.watches.get(id);
    if (watch === undefined) return;
    this.forget(watch);
    this.send({ watchId: id, canceled: true });
  }

  private forget(watch: Watch): void {
    watch.watcher.close();
    this.watches.delete(watch.id);
    this.ready.delete(watch);
  }

  /** Delivers in a turn of its own, so that one batch of applies becomes one response. */
  private schedule(): void {
    if (this.scheduled || this.blocked || this.closed) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.deliver();
    });
  }

  /** One batch for each watch that has something, while the client reads; then the loop gets its turn again. */
  private deliver(): void {
    for (const watch of this.ready) {
      if (this.blocked || this.closed) return;
      const batch = watch.watcher.take(BATCH_EVENTS);
      if (batch === undefined) {
        this.ready.delete(watch);
      } else if (batch.type === "compacted") {
        this.forget(watch);
        const compactRevision = BigInt(batch.compactRevision);
        this.send({ watchId: watch.id, canceled: true, compactRevision, cancelReason: ERROR_TEXT.compacted });
      } else {
        if (!batch.more) this.ready.delete(watch);
        if (batch.events.length > 0) this.sendEvents(watch, batch.events.map(fromWatchEvent), batch.revision);
      }
    }
    if (this.ready.size > 0) this.schedule();
    else this.answerProgress();
  }

  private sendEvents(watch: Watch, events: WatchResponse["events"], revision: number): void {
    watch.sentAt = performance.now();
    const header = this.requests.header(revision);
    const pieces = watch.fragment ? cut(events) : [events];
    for (const [at, piece] of pieces.entries()) {
      this.send({ watchId: watch.id, header, fragment: at + 1 < pieces.length, events: piece });
    }
  }

  /** Answers an explicit request once every watch of the stream has delivered everything. */
  private answerProgress(): void {
    if (!this.progressWanted || this.blocked) return;
    for (const { watcher } of this.watches.values()) if (watcher.progress() === undefined) return;
    this.progressWanted = false;
    this.send({ watchId: ALL_WATCHERS });
  }

  private notifyProgress(): void {
    const now = performance.now();
    for (const watch of this.watches.values()) {
      if (this.blocked) return;
      if (!watch.progressNotify || now - watch.sentAt < PROGRESS_MS - 1) continue;
      const revision = watch.watcher.progress();
      if (revision === undefined) continue;
      watch.sentAt = now;
      this.send({ watchId: watch.id, header: this.requests.header(revision) });
    }
    this.answerProgress();
  }

  /** A member that is cut off would keep its watchers in the dark; those who asked are sent to another member. */
  private checkLeader(): void {
    if (this.requests.replica.currentLeader !== 0n) {
      this.leaderlessSince = undefined;
      return;
    }
    this.leaderlessSince ??= performance.now();
    if (performance.now() - this.leaderlessSince < NO_LEADER_MS) return;
    this.close();
    this.stream.emit("error", { code: status.UNAVAILABLE, details: FAILURE_TEXT.noLeader });
  }

  private send(response: Partial<WatchResponse>): void {
    if (this.closed) return;
    const more = this.stream.write({
      header: this.requests.header(),
      watchId: 0n,
      created: false,
      canceled: false,
      compactRevision: 0n,
      cancelReason: "",
      fragment: false,
      events: [],
      ...response,
    });
    if (!more) this.blocked = true;
  }

  private close(): void {
    this.closed = true;
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    for (const watch of [...this.watches.values()]) this.forget(watch);
  }
}

/** Events in pieces that each fit into a message, in their order; one event alone may be larger than that. */
function cut(events: WatchResponse["events"]): WatchResponse["events"][] {
  const pieces: WatchResponse["events"][] = [[]];
  let bytes = 0;
  for (const event of events) {
    const size = sizeOf(event.kv) + sizeOf(event.prevKv);
    const piece = pieces.at(-1)!;
    if (piece.length > 0 && (bytes + size > FRAGMENT_BYTES || piece.length >= BATCH_EVENTS)) {
      pieces.push([event]);
      bytes = size;
    } else {
      piece.push(event);
      bytes += size;
    }
  }
  return pieces;
}

function sizeOf(kv: WatchResponse["events"][number]["kv"]): number {
  return kv === undefined ? 0 : kv.key.length + kv.value.length;
}
