import type { TunnelResponse } from "@trireme/proto/trireme/node/v1/node";
import { TriremeError } from "@trireme/base";
import type { Tunnel } from "../pipeline/pod-streams.ts";
import { SpdyClient } from "./spdy-client.ts";

/** A stream inside a channel: what it carries, as the runtime names it. */
export type StreamName = "error" | "stdin" | "stdout" | "stderr" | "resize" | "data";

/** One thing that the runtime said. */
export interface Said {
  readonly name: StreamName;
  /** Undefined: this stream has ended. */
  readonly data: Buffer | undefined;
}

const NOTHING = Buffer.alloc(0);

/** An open tunnel to a runtime with its streams: what the REST door leaves to its client is spoken here. */
export class PodChannel {
  private readonly tunnel: Tunnel;
  private readonly spdy = new SpdyClient();
  private readonly streams = new Map<StreamName, number>();

  constructor(tunnel: Tunnel) {
    this.tunnel = tunnel;
  }

  /** Opens a stream. The order matters: runtimes want the error stream first. */
  open(name: StreamName, headers: Readonly<Record<string, string>> = {}): void {
    const { stream, bytes } = this.spdy.open({ streamtype: name, ...headers });
    this.streams.set(name, stream);
    this.tunnel.call.write({ data: bytes });
  }

  /** Says something on a stream; resolves when there is room for more. */
  async say(name: StreamName, data: Buffer): Promise<void> {
    const { call } = this.tunnel;
    if (call.write({ data: this.spdy.data(this.streams.get(name)!, data) })) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        call.off("drain", done).off("close", done);
        resolve();
      };
      call.on("drain", done).on("close", done);
    });
  }

  /** Says that nothing more comes on a stream. */
  end(name: StreamName): void {
    this.tunnel.call.write({ data: this.spdy.data(this.streams.get(name)!, NOTHING, true) });
  }

  /** All that the runtime says, in its order; ends with the tunnel. */
  async *said(): AsyncGenerator<Said, void, undefined> {
    const names = new Map([...this.streams].map(([name, stream]) => [stream, name]));
    for await (const { data } of this.tunnel.call as AsyncIterable<TunnelResponse>) {
      for (const event of this.spdy.push(data)) {
        if (event.type === "reply") this.tunnel.call.write({ data: event.bytes });
        else {
          const name = names.get(event.stream);
          if (name !== undefined) yield { name, data: event.type === "data" ? event.data : undefined };
        }
      }
    }
  }

  /** Cuts the tunnel; the runtime sees its client go. */
  close(): void {
    this.tunnel.call.cancel();
  }
}

/** How a command ended, from the last words of its error stream. */
export function exitCodeOf(words: string): number {
  let status: { status?: string; reason?: string; message?: string; details?: { causes?: Cause[] } };
  try {
    status = JSON.parse(words) as typeof status;
  } catch (cause) {
    throw new TriremeError("InternalError", `the container runtime said: ${words}`, { cause });
  }
  if (status.status === "Success") return 0;
  const code = status.details?.causes?.find((one) => one.reason === "ExitCode")?.message;
  if (code !== undefined && /^-?\d+$/.test(code)) return Number(code);
  throw new TriremeError("InternalError", status.message ?? `the container runtime said: ${words}`);
}

interface Cause {
  readonly reason?: string;
  readonly message?: string;
}
