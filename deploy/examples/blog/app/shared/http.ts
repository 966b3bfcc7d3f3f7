import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { log, wordsOf } from "./log.ts";

/** What a request is answered with: JSON, unless `body` is text of another type. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A mistake of the client's, told as `{error, fields}`. */
export class RequestError extends Error {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  constructor(status: number, message: string, fields: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

export type Handler = (request: IncomingMessage, path: string) => Promise<Answer> | Answer;

/** The longest article with its title, and room to spare. */
const MAX_BODY_BYTES = 64 * 1024;

/** Serves requests until {@link closeServer}. What a handler throws becomes an answer that says what is wrong. */
export function serve(port: number, handler: Handler): Server {
  const server = createServer((request, response) => {
    void answer(request, handler).then((it) => send(server, response, it));
  });
  server.listen(port, () => log("listening", { port }));
  return server;
}

async function answer(request: IncomingMessage, handler: Handler): Promise<Answer> {
  const path = new URL(request.url ?? "/", "http://localhost").pathname;
  try {
    return await handler(request, path);
  } catch (error) {
    if (error instanceof RequestError) {
      return { status: error.status, body: { error: error.message, fields: error.fields } };
    }
    log("a request failed", { method: request.method, path, error: wordsOf(error) });
    return {
      status: 503,
      body: { error: "The blog cannot reach its database at the moment." },
      headers: { "retry-after": "2" },
    };
  }
}

function send(server: Server, response: ServerResponse, { status, body, type, headers }: Answer): void {
  const text = body === undefined ? "" : type === undefined ? JSON.stringify(body) : String(body);
  response.writeHead(status, {
    "content-type": type ?? "application/json; charset=utf-8",
    "cache-control": "no-store",
    // Once we are ending, nobody should send us another request on this connection.
    ...(server.listening ? {} : { connection: "close" }),
    ...headers,
  });
  response.end(text);
}

/** The JSON body of a request. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
    throw new RequestError(415, "Send the body as application/json.");
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new RequestError(413, `The body is longer than ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new RequestError(400, "The body is no JSON.");
  }
}

/** Answers what is under way and takes no more. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Node 18 leaves connections open that carry nothing.
    server.closeIdleConnections();
  });
}
