import { once } from "node:events";
import { type IncomingMessage, ServerResponse } from "node:http";
import { type Http2SecureServer, type ServerHttp2Session, createSecureServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { MAX_CONNECTIONS, MIN_TLS_VERSION, type TlsFiles, followTls } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import type { Request, Response } from "./exchange.ts";
import type { Upgrade } from "./tunnel.ts";

/** A connection that has not finished its TLS handshake by then is not a client. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A request whose headers take longer than this is not meant to arrive. */
const HEADERS_TIMEOUT_MS = 15_000;
const TIMEOUT_CHECK_MS = 5000;

/**
 * An idle HTTP/1.1 connection stays so long. Our actors work in bursts with pauses of seconds between them: with Node's
 * five seconds each burst would begin with a dozen TLS handshakes.
 */
const KEEP_ALIVE_MS = 120_000;

/** Requests at once on one HTTP/2 connection, as Kubernetes advertises. */
const MAX_STREAMS_PER_CONNECTION = 250;

/** Answers one request. `upgrade` is given when the client asks to change the connection's protocol. */
type Handler = (request: Request, response: Response, upgrade?: Upgrade) => Promise<void>;

/** An HTTPS server for HTTP/2 and HTTP/1.1 that asks for a client certificate; the handler judges it. */
export class HttpsServer {
  private readonly server: Http2SecureServer;
  /** Open connections and their HTTP/1.1 requests under way. */
  private readonly sockets = new Map<TLSSocket, number>();
  private readonly sessions = new Set<ServerHttp2Session>();

  constructor(tls: TlsFiles, handle: Handler, log: Logger) {
    const { ca, cert, key } = tls;
    const options = {
      ca,
      cert,
      key,
      allowHTTP1: true,
      requestCert: true,
      // Health needs no certificate, and a wrong one deserves a sentence: the handler refuses, not the handshake.
      rejectUnauthorized: false,
      minVersion: MIN_TLS_VERSION,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      settings: { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION },
      // For the HTTP/1.1 side; the types list fewer than the server reads.
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      // Of all options for HTTP/1.1 only this one is read from here.
      http1Options: { keepAliveTimeout: KEEP_ALIVE_MS },
    } as Parameters<typeof createSecureServer>[0];
    this.server = createSecureServer(options, (request, response) => {
      if (request.httpVersionMajor === 1) this.count(request.socket, response);
      handle(request, response).catch((thrown: unknown) => log.error("request handler threw", { err: thrown }));
    });
    this.server.on("upgrade", (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
      // Node hands over the bare connection; an answer is made again, so that a refusal is like any other.
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      response.on("finish", () => socket.end());
      this.count(socket, socket);
      const upgrade = {
        socket,
        head,
        detach: () => {
          response.statusCode = 101;
          response.detachSocket(socket);
        },
      };
      handle(request, response, upgrade).catch((thrown: unknown) =>
        log.error("request handler threw", { err: thrown }),
      );
    });
    followTls(this.server, tls);
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on("secureConnection", (socket: TLSSocket) => {
      socket.setNoDelay(true);
      this.sockets.set(socket, 0);
      socket.on("close", () => this.sockets.delete(socket));
      // A client that resets its connection is everyday life.
      socket.on("error", (error) => log.debug("connection failed", { err: error }));
    });
    this.server.on("session", (session) => {
      this.sessions.add(session);
      session.on("close", () => this.sessions.delete(session));
      session.on("error", (error) => log.debug("http/2 session failed", { err: error }));
    });
    this.server.on("tlsClientError", (error) => log.debug("tls handshake failed", { err: error }));
    this.server.on("sessionError", (error) => log.debug("http/2 session failed", { err: error }));
  }

  /** Starts to listen; the answer is the port, of interest when 0 was asked. */
  async listen(port: number, address: string): Promise<number> {
    this.server.listen(port, address);
    await once(this.server, "listening");
    return (this.server.address() as AddressInfo).port;
  }

  /** Takes no new connections, tells HTTP/2 clients to go elsewhere, and after `graceMs` cuts what is left. */
  async close(graceMs: number): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    for (const session of this.sessions) session.close();
    for (const [socket, requests] of this.sockets) {
      if (requests === 0 && socket.alpnProtocol !== "h2") socket.destroy();
    }
    const timer = setTimeout(() => {
      for (const session of this.sessions) session.destroy();
      for (const socket of this.sockets.keys()) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  /** Counts the requests of an HTTP/1.1 connection, each until something closes; the last one of a closing server takes its connection along. */
  private count(plain: Socket, until: { on(event: "close", listener: () => void): unknown }): void {
    const socket = plain as TLSSocket;
    this.sockets.set(socket, (this.sockets.get(socket) ?? 0) + 1);
    until.on("close", () => {
      const left = (this.sockets.get(socket) ?? 1) - 1;
      if (!this.sockets.has(socket)) return;
      this.sockets.set(socket, left);
      if (left === 0 && !this.server.listening) socket.end();
    });
  }
}
