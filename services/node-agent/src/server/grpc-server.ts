import { X509Certificate } from "node:crypto";
import { Server, ServerCredentials, ServerInterceptingCall, status } from "@grpc/grpc-js";
import type { ServerInterceptor, ServerWritableStream, ServiceError } from "@grpc/grpc-js";
import type { ErrorCode } from "@trireme/base";
import { errorFrom } from "@trireme/base";
import type { LogsRequest, LogsResponse } from "@trireme/proto/trireme/node/v1/node";
import { NodeServiceService } from "@trireme/proto/trireme/node/v1/node";
import type { TlsFiles } from "./tls.ts";

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

/** Serves NodeService. Answers a function that stops it. */
export async function serveGrpc(options: {
  readonly address: string;
  readonly port: number;
  readonly tls: TlsFiles;
  readonly logs: LogSource;
}): Promise<() => void> {
  const { tls } = options;
  const credentials = ServerCredentials.createSsl(
    Buffer.from(tls.ca),
    [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
    true,
  );
  const server = new Server({ interceptors: [onlyApiservers] });
  server.addService(NodeServiceService, {
    logs: (call: ServerWritableStream<LogsRequest, LogsResponse>) => {
      const abort = new AbortController();
      call.on("cancelled", () => abort.abort());
      void send(options.logs(call.request, abort.signal), call, abort.signal).catch((thrown: unknown) => {
        const error = errorFrom(thrown);
        const code = STATUS[error.code] ?? status.INTERNAL;
        call.emit("error", { code, details: error.message } satisfies Partial<ServiceError>);
      });
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${options.address}:${options.port}`, credentials, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return () => server.forceShutdown();
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
