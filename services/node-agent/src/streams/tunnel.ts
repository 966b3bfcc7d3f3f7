import type { Duplex } from "node:stream";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import type { TunnelHeader, TunnelOpen, TunnelRequest, TunnelResponse } from "@trireme/proto/trireme/node/v1/node";

/** The gRPC side of a tunnel. */
export type TunnelCall = ServerDuplexStream<TunnelRequest, TunnelResponse>;

/** What the runtime's streaming server said: a connection that carries the agreed protocol, or its refusal. */
export type Opened =
  | {
      readonly status: number;
      readonly headers: readonly TunnelHeader[];
      readonly socket: Duplex & { setTimeout(ms: number, onTimeout: () => void): unknown };
      /** What came behind the answer's head. */
      readonly head: Buffer;
    }
  | { readonly status: number; readonly message: string; readonly socket?: undefined };

/** Opens a stream; rejects with a TriremeError when there is nothing to open. */
export type StreamSource = (request: TunnelOpen, signal: AbortSignal) => Promise<Opened>;

/** A tunnel through which nothing has moved for so long is forgotten; kubelet's default too. */
const IDLE_MS = 4 * 60 * 60 * 1000;

/** How long a caller may take to say what it wants. */
const OPEN_TIMEOUT_MS = 10_000;

const NOTHING = Buffer.alloc(0);

/** Serves one tunnel, as fast as the slower side takes it; resolves when it is over. */
export async function serveTunnel(call: TunnelCall, source: StreamSource): Promise<void> {
  const gone = new AbortController();
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      gone.abort(new Error("the caller went away"));
      resolve();
    };
    for (const event of ["cancelled", "close", "error"]) call.once(event, end);
  });
  const open = await firstOf(call);
  const opened = await source(open, gone.signal);
  if (opened.socket === undefined) {
    call.write({ opened: { status: opened.status, headers: [], message: opened.message }, data: NOTHING });
    call.end();
    return;
  }
  const { socket, head } = opened;
  if (gone.signal.aborted) {
    socket.destroy();
    return;
  }
  gone.signal.addEventListener("abort", () => socket.destroy(), { once: true });
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  call.write({ opened: { status: opened.status, headers: [...opened.headers], message: "" }, data: NOTHING });

  const tell = (data: Buffer): void => {
    if (call.write({ data })) return;
    socket.pause();
    call.once("drain", () => socket.resume());
  };
  if (head.length > 0) tell(head);
  socket.on("data", tell);
  socket.once("end", () => call.end());
  // A reset by the runtime is an end like any other; the client's protocol says whether all had been said.
  socket.once("error", () => call.end());
  socket.once("close", () => {
    call.end();
    // What the client still says is read and forgotten.
    call.resume();
  });

  call.on("data", ({ data }: TunnelRequest) => {
    if (socket.destroyed || socket.writableEnded || socket.write(data)) return;
    call.pause();
    socket.once("drain", () => call.resume());
  });
  call.once("end", () => socket.end());
  call.resume();
  await Promise.race([over, new Promise((resolve) => socket.once("close", resolve))]);
}

function firstOf(call: TunnelCall): Promise<TunnelOpen> {
  return new Promise((resolve, reject) => {
    const refuse = (): void => reject(new TriremeError("BadRequest", "the first message of a tunnel must open it"));
    const timer = setTimeout(refuse, OPEN_TIMEOUT_MS);
    call.once("data", ({ open }: TunnelRequest) => {
      clearTimeout(timer);
      call.pause();
      if (open === undefined) refuse();
      else resolve(open);
    });
    call.once("end", () => {
      clearTimeout(timer);
      refuse();
    });
  });
}
