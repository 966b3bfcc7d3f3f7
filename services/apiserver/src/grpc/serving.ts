import type {
  Deadline,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
} from "@grpc/grpc-js";
import { once } from "node:events";
import { TriremeError, errorFrom } from "@trireme/base";
import { HTTP_STATUS } from "@trireme/api";
import { REQUEST_TIMEOUT_MS } from "../http/door.ts";
import type { Lane } from "../lanes.ts";
import type { Caller } from "../pipeline/request.ts";
import type { Callers, GrpcParts } from "./call.ts";
import { toGrpcError } from "./errors.ts";

/** What every kind of call has. */
interface AnyCall {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Deadline;
  on(event: "cancelled", listener: () => void): unknown;
}

/** Who calls, and until when it is worth answering. */
export interface CallContext {
  readonly caller: Caller;
  /** Aborted when the client went away, its deadline passed, or the server stops. */
  readonly signal: AbortSignal;
  /** Throws when nobody waits any longer: before each write that may still be left undone. */
  stillWanted(): void;
}

/** Labels of what is asked of manifests, which may name any object of the cluster. */
const MANIFESTS = {
  group: "trireme.api",
  version: "v1",
  resource: "manifests",
  subresource: "",
  scope: "cluster",
  dry_run: "",
};

/** Serves calls: who is it, is there room, does anybody still wait; then the answer or the status that says why not. */
export class CallServer {
  private readonly parts: GrpcParts;
  private readonly callers: Callers;
  private readonly stopping = new AbortController();

  constructor(parts: GrpcParts, callers: Callers) {
    this.parts = parts;
    this.callers = callers;
  }

  /** A handler of one request and one answer. Without a deadline of its own it gets REST's. */
  unary<Q, A>(
    method: string,
    lane: Lane,
    run: (context: CallContext, request: Q) => Promise<A>,
  ): handleUnaryCall<Q, A> {
    return (call, callback) => {
      let answered = false;
      const answer = (error: unknown, value?: A): void => {
        if (answered) return;
        answered = true;
        cancel();
        if (error === undefined) callback(null, value!);
        else callback(toGrpcError(error));
      };
      const cancel = this.parts.clock.after(REQUEST_TIMEOUT_MS, () => answer(timedOut()));
      void this.run(method, lane, call, (context) => run(context, call.request)).then(
        (value) => answer(undefined, value),
        (thrown: unknown) => answer(thrown),
      );
    };
  }

  /** A handler that streams its answer, for as long as it lasts. */
  streaming<Q, A>(
    method: string,
    run: (context: CallContext, call: ServerWritableStream<Q, A>) => Promise<void>,
  ): handleServerStreamingCall<Q, A> {
    return (call) => {
      void this.run(method, "long", call, (context) => run(context, call)).then(
        () => call.end(),
        (thrown: unknown) => fail(call, thrown),
      );
    };
  }

  /** A handler of a conversation, for as long as it lasts. */
  conversation<Q, A>(
    method: string,
    run: (context: CallContext, call: ServerDuplexStream<Q, A>) => Promise<void>,
  ): handleBidiStreamingCall<Q, A> {
    return (call) => {
      void this.run(method, "long", call, (context) => run(context, call)).then(
        () => call.end(),
        (thrown: unknown) => fail(call, thrown),
      );
    };
  }

  /** Tells streams that last to end, so that their clients go on at another server. */
  stop(): void {
    this.stopping.abort();
  }

  /** Runs one call under its context; measures it. */
  private async run<T>(
    method: string,
    lane: Lane,
    call: AnyCall,
    act: (context: CallContext) => Promise<T>,
  ): Promise<T> {
    const { metrics, clock, log, lanes } = this.parts;
    const started = clock.monotonic();
    let code = 200;
    let leave: (() => void) | undefined;
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort());
    const deadline = Number(call.getDeadline());
    const stillWanted = (): void => {
      // The timer of a passed deadline may still be on its way to us.
      if (clock.now() >= deadline) throw new TriremeError("Timeout", "the call's deadline has passed");
      if (gone.signal.aborted || call.cancelled) throw new TriremeError("Cancelled", "the client went away");
    };
    try {
      stillWanted();
      leave = lanes.enter(lane);
      const caller = await this.callers.of(call);
      stillWanted();
      const signal = AbortSignal.any([gone.signal, this.stopping.signal]);
      return await this.untilStopped(lane, act({ caller, signal, stillWanted }));
    } catch (thrown) {
      const error = errorFrom(thrown);
      code = HTTP_STATUS[error.code];
      if (error.code === "InternalError") log.error("grpc call failed", { method, err: thrown });
      throw thrown;
    } finally {
      leave?.();
      const labels = { ...MANIFESTS, verb: method };
      metrics.request(labels, code, (clock.monotonic() - started) / 1000, lane === "long");
    }
  }

  /** What lasts by nature is told to go elsewhere when the server stops; everything else ends by itself. */
  private async untilStopped<T>(lane: Lane, work: Promise<T>): Promise<T> {
    if (lane !== "long") return work;
    const { signal } = this.stopping;
    let onStop: (() => void) | undefined;
    const stopped = new Promise<never>((_, reject) => {
      onStop = () => reject(new TriremeError("ServiceUnavailable", "this server is going down; go on at another"));
      if (signal.aborted) onStop();
      else signal.addEventListener("abort", onStop, { once: true });
    });
    try {
      return await Promise.race([work, stopped]);
    } finally {
      signal.removeEventListener("abort", onStop!);
    }
  }
}

/**
 * Ends a stream with the status that says why. As gRPC has it: a stream that is destroyed never sends its status, and its
 * client waits for ever.
 */
export function fail(call: { emit(event: "error", error: Error): unknown }, thrown: unknown): void {
  call.emit("error", Object.assign(new Error(), toGrpcError(thrown)));
}

/** Writes and waits until the client has room for more. Rejects when it went away. */
export async function send<Q, A>(
  call: ServerWritableStream<Q, A> | ServerDuplexStream<Q, A>,
  message: A,
): Promise<void> {
  if (call.cancelled) throw new TriremeError("Cancelled", "the client went away");
  if (call.write(message)) return;
  const waiting = new AbortController();
  const { signal } = waiting;
  const gone = once(call, "cancelled", { signal }).then(() => {
    throw new TriremeError("Cancelled", "the client went away");
  });
  try {
    await Promise.race([once(call, "drain", { signal }), gone]);
  } finally {
    // Takes the listeners of both off again.
    waiting.abort();
  }
}

function timedOut(): TriremeError {
  return new TriremeError("Timeout", `the call did not complete within ${REQUEST_TIMEOUT_MS / 1000} s`);
}
