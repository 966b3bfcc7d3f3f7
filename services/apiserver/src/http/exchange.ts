import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { TriremeError } from "@trireme/base";
import { statusOf } from "@trireme/api";
import type { Caller } from "../pipeline/request.ts";
import type { Upgrade } from "./tunnel.ts";

/** A request of either HTTP version. */
export type Request = IncomingMessage | Http2ServerRequest;
/** An answer of either HTTP version. */
export type Response = ServerResponse | Http2ServerResponse;

/** One request and its answer, taken apart. */
export interface Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly caller: Caller;
  /** Fires when the client has gone away. */
  readonly signal: AbortSignal;
  /** Set when the client asks to change the connection's protocol; ignored where there is nothing to change to. */
  readonly upgrade?: Upgrade | undefined;
}

/** Bytes gathered before they are handed to the connection: one large write costs less than many small ones. */
const SLICE_BYTES = 256 * 1024;

/** The value of a request header that comes once. */
export function headerOf(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Answers with bytes that are ready. */
export function sendBytes(
  response: Response,
  code: number,
  body: Buffer | string,
  contentType = "application/json",
  headers: Readonly<Record<string, string | string[]>> = {},
): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  response.statusCode = code;
  response.setHeader("content-type", contentType);
  response.setHeader("content-length", bytes.length);
  response.setHeader("cache-control", "no-cache, private");
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(bytes);
}

/** Answers with a JSON value. */
export function sendJson(
  response: Response,
  code: number,
  value: unknown,
  headers: Readonly<Record<string, string | string[]>> = {},
): void {
  sendBytes(response, code, JSON.stringify(value), "application/json", headers);
}

/** Answers with the Status of an error; does nothing once an answer is under way. */
export function sendError(response: Response, thrown: unknown): number {
  const status = statusOf(thrown);
  const code = status.code ?? 500;
  if (response.headersSent || response.destroyed) {
    // The client has part of an answer already: cutting the connection is the only honest end.
    response.destroy();
    return code;
  }
  // Only where the error asks for it: on this header clients repeat a request many times in silence, and a person in
  // front of an outage should rather read what is wrong.
  const retry = status.details?.retryAfterSeconds;
  sendJson(response, code, status, retry === undefined ? {} : { "retry-after": String(retry) });
  return code;
}

/** Answers piece by piece, as fast as the client takes it. Pieces are gathered into slices. */
export async function sendPieces(response: Response, pieces: Iterable<Buffer>, signal: AbortSignal): Promise<void> {
  response.statusCode = 200;
  response.setHeader("content-type", "application/json");
  response.setHeader("cache-control", "no-cache, private");
  let slice: Buffer[] = [];
  let size = 0;
  for (const piece of pieces) {
    slice.push(piece);
    size += piece.length;
    if (size < SLICE_BYTES) continue;
    await write(response, Buffer.concat(slice), signal);
    slice = [];
    size = 0;
  }
  response.end(Buffer.concat(slice));
}

/** Writes and waits until the client has room for more. Rejects when it went away. */
export async function write(response: Response, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (signal.aborted || response.destroyed) throw new TriremeError("Cancelled", "the client went away");
  // Both classes have this signature; their union does not resolve for the compiler.
  const hasRoom = (response as ServerResponse).write(bytes);
  if (hasRoom) return;
  await once(response, "drain", { signal }).catch((thrown: unknown) => {
    throw new TriremeError("Cancelled", "the client went away", { cause: thrown });
  });
}

/** `Warning` headers as Kubernetes sends them. */
export function warningHeaders(warnings: readonly string[]): Readonly<Record<string, string[]>> {
  if (warnings.length === 0) return {};
  return {
    warning: warnings.map((text) => `299 - "${text.replaceAll(/[\\"]/g, "\\$&").replaceAll(/[^\x20-\x7e]/g, "?")}"`),
  };
}

/** Sends status and headers now. Both HTTP versions have the method; the types of one forget it. */
export function flushHead(response: Response): void {
  (response as ServerResponse).flushHeaders();
}
