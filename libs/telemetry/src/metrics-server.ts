import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { hasCode } from "@trireme/base";
import type { Logger } from "./log.ts";
import type { Page } from "./pages.ts";

/** A scrape takes milliseconds; whoever holds a connection longer is not scraping. */
const REQUEST_TIMEOUT_MS = 15_000;

/** Connections at once: a few Prometheis, the balancer, a person with curl; more is no use we know. */
const MAX_CONNECTIONS = 256;

/** The text format that pages are in. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Who asks for a page, as far as a judge looks. */
export interface PageRequest {
  readonly socket: TLSSocket;
  readonly authorization: string | undefined;
  readonly path: string;
}

/** Decides who may read: resolves, or throws `Unauthorized`, `Forbidden` or, when it cannot tell, anything else. */
export type PageJudge = (request: PageRequest) => Promise<void>;

/** A server's own certificate with its key, and the CA of its callers' certificates; PEM. */
export interface ServingTls {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** Where these may change while the server runs: calls the listener after each change, and answers how to stop that. */
  onChange?(listener: () => void): () => void;
}

/** What a metrics server serves, and to whom. */
export interface MetricsServerOptions {
  readonly tls: ServingTls;
  /** Pages by path, such as `/metrics`. */
  readonly pages: ReadonlyMap<string, Page>;
  /** What keeps this process from being ready; empty: it is. Served to everybody. */
  readonly problems: () => readonly string[];
  readonly judge: PageJudge;
  readonly log: Logger;
}

/**
 * Metrics and health over HTTPS on a port of their own. Health (`/livez`, `/readyz`, `/healthz`) is everybody's; a page is
 * for whom the judge admits. Components of one process keep their series apart: each has its page, or its port.
 */
export class MetricsServer {
  private readonly server: Server;
  private readonly options: MetricsServerOptions;
  private readonly stopFollowing: (() => void) | undefined;

  constructor(options: MetricsServerOptions) {
    this.options = options;
    // Certificates are asked for, not demanded: a bearer token will do. The judge refuses, with a sentence.
    const context = () => {
      const { ca, cert, key } = options.tls;
      return { ca, cert, key, minVersion: "TLSv1.2" } as const;
    };
    const tls = { ...context(), requestCert: true, rejectUnauthorized: false };
    this.server = createServer({ ...tls, requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
      this.answer(request, response).catch((thrown: unknown) => {
        options.log.error("metrics could not be rendered", { path: request.url, err: thrown });
        if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
        response.end("the metrics could not be read; the log of this process says why\n");
      });
    });
    // Connections that there are keep what they began with.
    this.stopFollowing = options.tls.onChange?.(() => this.server.setSecureContext(context()));
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.headersTimeout = REQUEST_TIMEOUT_MS;
    this.server.on("tlsClientError", (error) => options.log.debug("tls handshake failed", { err: error }));
  }

  async listen(port: number, address: string): Promise<void> {
    this.server.listen(port, address);
    await once(this.server, "listening");
  }

  /** Where it listens. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.stopFollowing?.();
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pages, problems, judge } = this.options;
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    const say = (code: number, text: string): void => {
      response.writeHead(code, { "content-type": "text/plain; charset=utf-8" }).end(text);
    };
    if (request.method !== "GET" && request.method !== "HEAD") return say(405, "only GET is served here\n");
    if (path === "/livez") return say(200, "ok");
    if (path === "/readyz" || path === "/healthz") {
      const found = problems();
      return found.length === 0 ? say(200, "ok") : say(500, `${found.join("\n")}\n`);
    }
    try {
      await judge({ socket: request.socket as TLSSocket, authorization: request.headers.authorization, path });
    } catch (thrown) {
      const code = hasCode(thrown, "Unauthorized") ? 401 : hasCode(thrown, "Forbidden") ? 403 : 503;
      return say(code, `${(thrown as Error).message}\n`);
    }
    // Who may not read learns no paths either.
    const page = pages.get(path);
    if (page === undefined) {
      return say(404, `not found; there are ${[...pages.keys()].join(", ")}, /livez, /readyz and /healthz\n`);
    }
    let text: string;
    try {
      text = await page();
    } catch (thrown) {
      // A page of another process or thread that does not answer is down, not this server.
      if (!hasCode(thrown, "ServiceUnavailable")) throw thrown;
      return say(503, `${(thrown as Error).message}\n`);
    }
    response.writeHead(200, { "content-type": CONTENT_TYPE, "content-length": Buffer.byteLength(text) }).end(text);
  }
}
