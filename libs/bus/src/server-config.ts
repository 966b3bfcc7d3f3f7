import { TriremeError } from "@trireme/base";
import { MAX_PAYLOAD_BYTES } from "./bus.ts";
import type { NatsSigner } from "./jwt.ts";

/** Everything one nats-server of a cluster needs to know. */
export interface NatsServerOptions {
  /** Unique in the cluster, e.g. `server1`. */
  readonly serverName: string;
  readonly clusterName: string;
  /** Address that both ports listen on. */
  readonly listenHost: string;
  readonly clientPort?: number;
  readonly routePort?: number;
  /** `host:port` of every route of the cluster; one's own is left out by the server itself. */
  readonly routes: readonly string[];
  /** Certificate and key, SAN `DNS:nats.trireme` and the address, usable as server and as client (routes). */
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly operator: Pick<NatsSigner, "jwt">;
  readonly account: Pick<NatsSigner, "jwt" | "publicKey">;
  /** Port of the monitoring pages, on loopback alone: they know no authentication. 0: none. */
  readonly monitorPort?: number;
  readonly pidFile?: string;
  readonly logFile?: string;
}

/** A server that stalls a client's socket longer than this is cut off; a slow consumer resyncs from the API. */
const WRITE_DEADLINE = "2s";

/**
 * Pings find peers that vanished without a word. Two unanswered ones cut a client after about six seconds; the client
 * pings on its own and faster.
 */
const PING_INTERVAL = "2s";

/** Memory that one slow consumer may hold in the server before it is cut off. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;

/** Three servers' worth of identities for clusters of some hundred nodes, with room for reconnects. */
const MAX_CONNECTIONS = 4096;

function quote(text: string): string {
  if (/["\\\n\r]/.test(text))
    throw new TriremeError("BadRequest", `${JSON.stringify(text)} cannot stand in a nats.conf`);
  return `"${text}"`;
}

/** Where a server listens when nothing else is said. */
export const NATS_CLIENT_PORT = 4222;
/** Where a server's peers connect when nothing else is said. */
export const NATS_ROUTE_PORT = 6222;
/** Where a server tells its numbers, to its own machine alone. */
export const NATS_MONITOR_PORT = 8222;

/**
 * Renders the configuration of one server: operator mode (identities are JWTs, none is listed here, so a node that joins
 * later needs no reload), TLS with client certificates on clients and routes, monitoring on loopback at most, no JetStream.
 */
export function natsServerConfig(options: NatsServerOptions): string {
  const { monitorPort = NATS_MONITOR_PORT } = options;
  const tls = (indent: string): string =>
    [
      "tls {",
      `  cert_file: ${quote(options.certFile)}`,
      `  key_file: ${quote(options.keyFile)}`,
      `  ca_file: ${quote(options.caFile)}`,
      "  verify: true",
      "  timeout: 2",
      "}",
    ]
      .map((line, i) => (i === 0 ? line : indent + line))
      .join("\n");
  const lines = [
    `server_name: ${quote(options.serverName)}`,
    `host: ${quote(options.listenHost)}`,
    `port: ${options.clientPort ?? NATS_CLIENT_PORT}`,
    ...(monitorPort === 0 ? [] : [`http: "127.0.0.1:${monitorPort}"`]),
    ...(options.pidFile === undefined ? [] : [`pid_file: ${quote(options.pidFile)}`]),
    ...(options.logFile === undefined ? [] : [`log_file: ${quote(options.logFile)}`]),
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    `max_pending: ${MAX_PENDING_BYTES}`,
    `max_connections: ${MAX_CONNECTIONS}`,
    `write_deadline: ${quote(WRITE_DEADLINE)}`,
    `ping_interval: ${quote(PING_INTERVAL)}`,
    "ping_max: 2",
    tls(""),
    "cluster {",
    `  name: ${quote(options.clusterName)}`,
    `  host: ${quote(options.listenHost)}`,
    `  port: ${options.routePort ?? NATS_ROUTE_PORT}`,
    "  connect_retries: 100000",
    "  no_advertise: true",
    `  ${tls("  ")}`,
    "  routes: [",
    ...options.routes.map((route) => `    ${quote(`nats-route://${route}`)}`),
    "  ]",
    "}",
    `operator: ${quote(options.operator.jwt)}`,
    "resolver: MEMORY",
    "resolver_preload: {",
    `  ${options.account.publicKey}: ${quote(options.account.jwt)}`,
    "}",
  ];
  return `${lines.join("\n")}\n`;
}
