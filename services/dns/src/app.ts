import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EndpointSlice, Service } from "@trireme/api";
import { ENDPOINTSLICES, SERVICES } from "@trireme/api";
import { errorFrom, systemClock } from "@trireme/base";
import type { NatsCredentials } from "@trireme/bus";
import { createNatsBus } from "@trireme/bus";
import { createApiClient, delegatedJudge } from "@trireme/client";
import { ServerDirectory, createInformerFactory } from "@trireme/controller";
import { LiveIdentity } from "@trireme/pki";
import { type Logger, MetricsServer, type Registry, pageOf } from "@trireme/telemetry";
import type { DnsConfig } from "./config.ts";
import { dnsMetrics } from "./metrics.ts";
import { serveDns } from "./server.ts";
import { createUpstream, nameserversOf } from "./upstream.ts";
import type { Zone } from "./zone.ts";
import { buildZone } from "./zone.ts";

/** A running DNS server. */
export interface Dns {
  stop(): Promise<void>;
}

/** Starts the cluster DNS of one node. */
export async function startDns(config: DnsConfig, log: Logger, registry: Registry): Promise<Dns> {
  const text = (file: string): string => readFileSync(join(config.pkiDir, file), "utf8");
  const tls = new LiveIdentity({ dir: config.pkiDir, name: "dns" }, (err) => {
    log.error("the certificate cannot be followed: the last one stays", { err });
  });
  const stops: (() => unknown)[] = [() => tls.close()];
  const { apiServers, natsUrls, serversFile: file } = config;
  const servers = new ServerDirectory({ apiServers, natsUrls, file, log });
  const client = createApiClient({ servers: servers.apiServers, tls, userAgent: "dns/0.1.0", log, registry });
  const bus = createNatsBus({
    servers: servers.natsUrls,
    tls: () => tls,
    credentials: () => JSON.parse(text(join("nats-creds", "dns.json"))) as NatsCredentials,
    name: `dns ${config.name}`,
    log,
    registry,
  });
  servers.tell(client, apiServers);
  servers.tell(bus, natsUrls);
  const factory = createInformerFactory({ client, bus, clock: systemClock, log, registry });
  const services = factory.informer<Service>(SERVICES);
  const slices = factory.informer<EndpointSlice>(ENDPOINTSLICES);
  slices.onChange(({ type, object }) => type !== "deleted" && servers.learn(object));
  stops.push(
    () => client.close(),
    () => bus.close(),
    () => factory.stop(),
  );

  // Made anew on the first question after a change: a burst of changes costs one.
  let zone: Zone | undefined;
  const current = (): Zone | undefined => {
    if (!services.hasSynced || !slices.hasSynced) return undefined;
    const serial = Math.max(services.revision, slices.revision);
    zone ??= buildZone(config.clusterDnsDomain, services.list(), slices.list(), serial);
    return zone;
  };
  const forget = (): void => void (zone = undefined);
  services.onChange(forget);
  slices.onChange(forget);

  const healthy = (): boolean => services.hasSynced && slices.hasSynced;
  const { address } = config;
  const https = new MetricsServer({
    tls,
    pages: new Map([["/metrics", pageOf(registry)]]),
    problems: () => (healthy() ? [] : ["services are not known yet"]),
    judge: delegatedJudge(client, () => systemClock.monotonic()),
    log,
  });
  await https.listen(config.metricsPort, address);
  stops.push(() => https.close());
  const resolvConf = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const upstream = createUpstream(nameserversOf(resolvConf, [address]));
  const metrics = dnsMetrics(registry, `dns://${address}:${config.port}`, config.clusterDnsDomain);
  stops.push(await serveDns({ address, port: config.port, zone: current, upstream, metrics, log }));
  factory.start();
  void factory.synced().then(() => log.info("dns ready", { services: services.list().length }));
  return {
    async stop() {
      for (const stop of stops.toReversed()) {
        try {
          await stop();
        } catch (error) {
          log.warn("a part did not stop cleanly", { err: errorFrom(error) });
        }
      }
    },
  };
}
