import type { ClientDuplexStream } from "@grpc/grpc-js";
import { errorFrom, sleep } from "@trireme/base";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Connections } from "./client.ts";
import type { Connection } from "./connection.ts";
import { COMPACTED, fromServiceError } from "./errors.ts";
import type { StoreWatchEnd, Watch, WatchHandlers, WatchRequest } from "./types.ts";
import { fromEvent, revisionOf } from "./wire.ts";

/** Between two attempts to resume. */
const RETRY_MS = 100;

/** The only watch on its stream. */
const WATCH_ID = 1n;

/**
 * A watch that outlives members: when its stream breaks it goes on at another member, after the last revision that was
 * delivered. Nothing is delivered twice and nothing left out.
 */
export class ResumingWatch implements Watch {
  private readonly connections: Connections;
  private readonly request: WatchRequest;
  private readonly handlers: WatchHandlers;
  private readonly forget: () => void;
  private readonly closing = new AbortController();
  private stream: ClientDuplexStream<rpc.WatchRequest, rpc.WatchResponse> | undefined;
  private progressWanted = false;
  /** First revision not delivered yet; 0 until the store has said where "now" is. */
  private next: number;

  constructor(connections: Connections, request: WatchRequest, handlers: WatchHandlers, forget: () => void) {
    this.connections = connections;
    this.request = request;
    this.handlers = handlers;
    this.forget = forget;
    this.next = request.startRevision ?? 0;
    void this.run();
  }

  requestProgress(): void {
    this.progressWanted = true;
    this.stream?.write({ requestUnion: { $case: "progressRequest", value: {} } });
  }

  close(): void {
    this.closing.abort(new Error("the watch is closed"));
    this.stream?.cancel();
    this.forget();
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      let connection: Connection | undefined;
      try {
        connection = await this.connections.connect(signal);
        await this.follow(connection);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = errorFrom(thrown);
        if (error.code === "Cancelled") return;
        if (error.code === "Forbidden" || error.code === "BadRequest") {
          this.end({ code: error.code, message: error.message });
          return;
        }
        // This member does not serve watches now; requests do better elsewhere too.
        if (connection !== undefined) this.connections.abandon(connection);
      }
      await sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** Follows one stream to its end. */
  private async follow(connection: Connection): Promise<void> {
    const stream = connection.watch();
    this.stream = stream;
    stream.write({
      requestUnion: {
        $case: "createRequest",
        value: {
          key: Buffer.from(this.request.key, "utf8"),
          rangeEnd: Buffer.from(this.request.rangeEnd ?? "", "utf8"),
          startRevision: BigInt(this.next),
          progressNotify: this.request.progressNotify ?? false,
          filters: [],
          prevKv: this.request.prevKv ?? false,
          watchId: WATCH_ID,
          fragment: false,
        },
      },
    });
    if (this.progressWanted) stream.write({ requestUnion: { $case: "progressRequest", value: {} } });
    await new Promise<void>((resolve, reject) => {
      stream.on("data", (response: rpc.WatchResponse) => {
        if (!this.closing.signal.aborted) this.receive(response);
      });
      stream.on("error", (error) => reject(fromServiceError(error)));
      stream.on("end", resolve);
    });
  }

  private receive(response: rpc.WatchResponse): void {
    const revision = revisionOf(response.header);
    if (response.canceled) {
      const compactRevision = Number(response.compactRevision);
      const gone = compactRevision > 0 || response.cancelReason === COMPACTED;
      this.end(
        gone
          ? { code: "Expired", message: COMPACTED, compactRevision }
          : { code: "BadRequest", message: response.cancelReason },
      );
      return;
    }
    if (response.created) {
      if (this.next === 0) this.next = revision + 1;
      this.handlers.onCreated?.(revision);
      return;
    }
    if (response.events.length === 0) {
      // Progress. A member that lags may name a revision that another had already passed.
      if (revision + 1 < this.next) return;
      this.next = revision + 1;
      this.progressWanted = false;
      this.handlers.onProgress?.(revision);
      return;
    }
    this.next = revision + 1;
    this.handlers.onEvents(response.events.map(fromEvent), revision);
  }

  private end(reason: StoreWatchEnd): void {
    this.close();
    this.handlers.onEnd(reason);
  }
}
