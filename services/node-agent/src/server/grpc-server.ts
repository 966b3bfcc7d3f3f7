import { X509Certificate } from "node:crypto";
import { Server, ServerInterceptingCall, experimental, status } from "@grpc/grpc-js";
import type { ServerInterceptor, ServerWritableStream, ServiceError } from "@grpc/grpc-js";
import type { ErrorCode } from "@trireme/base";
import { errorFrom } from "@trireme/base";
import type { LogsRequest, LogsResponse } from "@trireme/proto/trireme/node/v1/node";
import { NodeServiceService } from "@trireme/proto/trireme/node/v1/node";
import type { StreamSource, TunnelCall } from "../streams/tunnel.ts";
import { serveTunnel } from "../streams/tunnel.ts";
import type { LiveIdentity } from "@trireme/pki";

/** Streams a log; rejects with a TriremeError before the first piece when there is none. */
export type LogSource = (request: LogsRequest, signal: AbortSignal) => AsyncIterable<Buffer>;

/** The organization of the certificates that may call: apiservers alone, which have checked the user's rights. */
const CALLERS = "system:apiservers";
const STATUS: Partial<Record<ErrorCode, number>> = {
  NotFound: status.NOT_FOUND,
  BadRequest: status.INVALID_ARGUMENT,
  Invalid: status.FAILED_PRECONDITION,
  Conflict: status.FAILED_PRECONDITION,
  Forbidden: status.PERMISSION_DENIED,
  Timeout: status.DEADLINE_EXCEEDED,
  ServiceUnavailable: status.UNAVAILABLE,
};

/** Streams into pods at once: each holds a connection to the runtime and up to some hundred kilobytes. */
const MAX_TUNNELS = 256;

/** Notices an apiserver that was cut off, so that what it had open ends here too. */
const KEEPALIVE = { "grpc.keepalive_time_ms": 30_000, "grpc.keepalive_timeout_ms": 10_000 };

/** Serves NodeService. Answers a function that stops it. */
export async function serveGrpc(options: {
  readonly address: string;
  readonly port: number;
  readonly tls: LiveIdentity;
  readonly logs: LogSource;
  readonly streams: StreamSource;
}): Promise<() => void> {
  const { tls } = options;
  // A renewed certificate is shown to new connections; streams into pods go on.
  const credentials = experimental.createCertificateProviderServerCredentials(tls, tls, true);
  let tunnels = 0;
  const server = new Server({ interceptors: [onlyApiservers], ...KEEPALIVE });
  server.addService(NodeServiceService, {
    logs: (call: ServerWritableStream<LogsRequest, LogsResponse>) => {
      const abort = new AbortController();
      call.on("cancelled", () => abort.abort());
      void send(options.logs(call.request, abort.signal), call, abort.signal).catch((thrown: unknown) => {
        call.emit("error", serviceErrorOf(thrown));
      });
    },
    tunnel: (call: TunnelCall) => {
      if (tunnels >= MAX_TUNNELS) {
        const details = `this node has ${MAX_TUNNELS} streams into pods open already; please try again later`;
        call.emit("error", { code: status.RESOURCE_EXHAUSTED, details } satisfies Partial<ServiceError>);
        return;
      }
      tunnels += 1;
      void serveTunnel(call, options.streams)
        .catch((thrown: unknown) => call.emit("error", serviceErrorOf(thrown)))
        .finally(() => (tunnels -= 1));
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${options.address}:${options.port}`, credentials, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return () => server.forceShutdown();
}

function serviceErrorOf(thrown: unknown): Partial<ServiceError> {
  const error = errorFrom(thrown);
  return { code: STATUS[error.code] ?? status.INTERNAL, details: error.message };
}

interface ByteStream {
  write(message: LogsResponse): boolean;
  once(event: "drain" | "cancelled" | "close", listener: () => void): unknown;
  end(): void;
}

async function send(pieces: AsyncIterable<Buffer>, call: ByteStream, signal: AbortSignal): Promise<void> {
  for await (const data of pieces) {
    if (signal.aborted) return;
    // Back-pressure: a slow reader slows the reading of the file, not our memory.
    if (!call.write({ data })) {
      await new Promise<void>((resolve) => {
        call.once("drain", resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }
  call.end();
}

/** Turns away every certificate of the cluster that is not an apiserver's. */
const onlyApiservers: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) => {
      const certificate = call.getAuthContext().sslPeerCertificate as { raw?: Buffer } | undefined;
      if (organizationsOf(certificate?.raw).includes(CALLERS)) return next();
      call.sendStatus({ code: status.PERMISSION_DENIED, details: `only ${CALLERS} may call a node's agent` });
    },
  });

function organizationsOf(raw: Buffer | undefined): string[] {
  if (raw === undefined) return [];
  return [...new X509Certificate(raw).subject.matchAll(/^O=(.*)$/gm)].map((match) => match[1]!);
}
