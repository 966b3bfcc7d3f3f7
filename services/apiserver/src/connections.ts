import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EndpointSlice } from "@trireme/api";
import { type Bus, type NatsCredentials, createNatsBus } from "@trireme/bus";
import { ServerDirectory, type ServerSwitch } from "@trireme/controller";
import { LiveIdentity } from "@trireme/pki";
import { type StoreClient, createStoreClient } from "@trireme/store-client";
import { type Logger, type Registry, createRegistry } from "@trireme/telemetry";
import { type Neighbour, createApiserver } from "./app.ts";
import type { ApiserverConfig } from "./config.ts";

/** An apiserver with its own connections to store and bus. */
export interface ConnectedApiserver {
  start(): Promise<void>;
  /** Stops the apiserver, then closes its connections. */
  stop(): Promise<void>;
}

/**
 * Puts an apiserver together from its settings: certificates and credentials come from the PKI folder. `neighbours` are
 * other components of this server whose metrics are served here.
 */
export async function connectApiserver(
  config: ApiserverConfig,
  log: Logger,
  neighbours: readonly Neighbour[] = [],
): Promise<ConnectedApiserver> {
  const metrics = createRegistry();
  const { apiServers, natsUrls, storeEndpoints, serversFile: file } = config;
  const servers = new ServerDirectory({ apiServers, natsUrls, file, writes: true, log });
  const storeTls = new LiveIdentity({ dir: config.pkiDir, name: "store-apiserver", ca: "store-ca" }, (err) => {
    log.error("the certificate for the store cannot be followed: the last one stays", { err });
  });
  const store = connectStore(storeTls, servers.addressesLike(storeEndpoints));
  const bus = connectBus(config, servers.natsUrls, log, metrics);
  servers.tell(store, storeEndpoints);
  servers.tell(bus, natsUrls);
  const onServers = (slice: EndpointSlice): void => servers.learn(slice);
  const deps = { store, log, metrics, neighbours, onServers, ...(bus === undefined ? {} : { bus }) };
  const apiserver = await createApiserver(config, deps);
  return {
    start: () => apiserver.start(),
    async stop() {
      await apiserver.stop();
      await bus?.close();
      await store.close();
      storeTls.close();
    },
  };
}

function connectStore(tls: LiveIdentity, endpoints: readonly string[]): StoreClient & ServerSwitch {
  return createStoreClient({ endpoints, tls });
}

function connectBus(
  config: ApiserverConfig,
  servers: readonly string[],
  log: Logger,
  registry: Registry,
): (Bus & ServerSwitch) | undefined {
  if (config.natsUrls.length === 0) return undefined;
  const text = (file: string): string => readFileSync(join(config.pkiDir, file), "utf8");
  return createNatsBus({
    servers,
    tls: () => ({ ca: text("ca.crt"), cert: text("nats.crt"), key: text("nats.key") }),
    credentials: () => JSON.parse(text("nats-creds/relay.json")) as NatsCredentials,
    name: `relay:${config.name}`,
    log,
    registry,
  });
}
