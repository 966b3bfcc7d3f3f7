import { readFileSync } from "node:fs";
import { NODES, type Node, SERVICES, type Service } from "@trireme/api";
import { systemClock } from "@trireme/base";
import { createApiClient } from "@trireme/client";
import { ServerDirectory } from "@trireme/controller";
import type { Logger } from "@trireme/telemetry";
import type { BalancerConfig } from "./config.ts";
import { Forwarder, type Target } from "./forwarder.ts";
import { HealthWatch, type WatchedServer } from "./health.ts";
import { mirror } from "./mirror.ts";
import { NodePorts } from "./node-ports.ts";

const LOCALHOST = "127.0.0.1";
/** Servers are one hop away: one that does not accept in this time does not work. */
const CONNECT_TIMEOUT_MS = 500;

/** A running balancer. */
export interface Balancer {
  stop(): void;
}

/** Starts the two API listeners and the NodePort listeners. */
export async function startBalancer(config: BalancerConfig, log: Logger): Promise<Balancer> {
  const directory = new ServerDirectory({
    apiServers: config.servers.map((server) => `${server.address}:${config.serverHttpsPort}`),
    natsUrls: [],
    file: config.serversFile,
    writes: true,
    log,
  });
  let servers = withConfigured(directory.servers, config.servers);
  let turn = 0;
  const apiTargets = (port: number) => (): Target[] => {
    const ready = servers.filter((server) => health.isReady(server.name));
    // Nobody ready may also mean that the question is broken: any server is better than none.
    const candidates = ready.length > 0 ? ready : servers;
    turn += 1;
    return candidates.map((_, i) => {
      const server = candidates[(turn + i) % candidates.length] ?? candidates[0];
      return { key: server?.name ?? "", host: server?.address ?? "", port };
    });
  };
  const forwarders = [config.serverHttpsPort, config.serverGrpcPort].map(
    (port) => new Forwarder({ targets: apiTargets(port), connectTimeoutMs: CONNECT_TIMEOUT_MS }),
  );
  const health = new HealthWatch({
    servers,
    port: config.serverHttpsPort,
    caFile: config.caFile,
    listener: {
      onChange: (server, inRotation) => {
        log.info(inRotation ? "server in rotation" : "server out of rotation", { server: server.name });
      },
      onHang: (server) => {
        log.warn("server hangs", { server: server.name });
        // Clients connect again and reach one that answers.
        for (const forwarder of forwarders) forwarder.cut(server.name);
      },
    },
  });
  await Promise.all([
    forwarders[0]?.listen(config.httpsPort, LOCALHOST),
    forwarders[1]?.listen(config.grpcPort, LOCALHOST),
  ]);
  log.info("balancer listens", { https: config.httpsPort, grpc: config.grpcPort });
  const nodePorts = new NodePorts(config.nodePortsFile, log);
  const client = createApiClient({
    servers: directory.apiServers,
    ca: readFileSync(config.caFile),
    cert: readFileSync(config.certFile),
    key: readFileSync(config.keyFile),
    userAgent: "trireme-balancer",
  });
  directory.tell(client, directory.apiServers);
  directory.onChange((now) => {
    servers = withConfigured(now, config.servers);
    health.setServers(servers);
  });
  const stopLooking = directory.look(client, systemClock);
  const ending = new AbortController();
  const { signal } = ending;
  const anyReady = (): boolean => servers.some((server) => health.isReady(server.name));
  void mirror(
    client.resource<Service>(SERVICES),
    "services",
    (all) => nodePorts.setServices(all),
    anyReady,
    log,
    signal,
  );
  void mirror(client.resource<Node>(NODES), "nodes", (all) => nodePorts.setNodes(all), anyReady, log, signal);
  return {
    stop() {
      stopLooking();
      ending.abort();
      client.close();
      nodePorts.close();
      health.stop();
      for (const forwarder of forwarders) forwarder.close();
    },
  };
}

/**
 * The configured servers, which may not have joined yet, and those that came later. One that is listed by its address alone
 * keeps the name it was configured with: under another it would seem to be another server.
 */
export function withConfigured(
  listed: readonly WatchedServer[],
  configured: readonly WatchedServer[],
): readonly WatchedServer[] {
  return [...configured, ...listed.filter((one) => !configured.some(({ address }) => address === one.address))];
}
