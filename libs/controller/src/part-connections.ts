import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, type Prng, createPrng, systemClock } from "@trireme/base";
import { type Bus, type NatsCredentials, createNatsBus } from "@trireme/bus";
import { type ApiClient, createApiClient } from "@trireme/client";
import { LiveIdentity } from "@trireme/pki";
import { type Logger, type Registry, createRegistry } from "@trireme/telemetry";
import { ServerDirectory } from "./server-directory.ts";
import { type LeasePort, leasesOf } from "./election-lease.ts";

/** Where an elected part of a server finds its keys and whom it talks to. */
export interface PartConnectionOptions {
  /** The server's name: who stands for election. */
  readonly name: string;
  /** The folder with `ca.crt`, `<part>.crt`, `<part>.key` and `nats-creds/<part>.json`. */
  readonly pkiDir: string;
  /** REST addresses of all servers, `host:port`. */
  readonly apiServers: readonly string[];
  /** The bus, own server first; none: everything is watched through the API. */
  readonly natsUrls: readonly string[];
  /** Where this server keeps the newest list of servers. */
  readonly serversFile?: string | undefined;
}

/** What an elected part of a server (scheduler, controllers) stands on. */
export interface PartConnections {
  readonly identity: string;
  /** A client whose writes carry the fence. */
  readonly connect: (fence: () => string | undefined) => ApiClient;
  /** The election's Leases: they do not wait in line behind the work, and carry no fence. */
  readonly leases: LeasePort;
  readonly bus: Bus | undefined;
  readonly clock: Clock;
  /** Seeded anew: two servers, or two starts of one, must not choose the same names. */
  readonly prng: Prng;
  readonly log: Logger;
  readonly registry: Registry;
  /** Closes what was opened here; clients of `connect` are their users' to close. */
  disconnect(): Promise<void>;
}

/** Opens the connections of one part by its name, which is also that of its identity. Throws when a key is missing. */
export function openPartConnections(
  part: string,
  { name, pkiDir, apiServers, natsUrls, serversFile }: PartConnectionOptions,
  log: Logger,
): PartConnections {
  const read = (file: string): string => readFileSync(join(pkiDir, file), "utf8");
  const tls = new LiveIdentity({ dir: pkiDir, name: part }, (err) => {
    log.error("the certificate cannot be followed: the last one stays", { err });
  });
  const registry = createRegistry();
  const servers = new ServerDirectory({ apiServers, natsUrls, file: serversFile, log });
  const client = { servers: servers.apiServers, tls, userAgent: `trireme-${part}`, log, registry };
  const electing = createApiClient(client);
  const credentials = (): NatsCredentials => JSON.parse(read(`nats-creds/${part}.json`)) as NatsCredentials;
  const bus =
    natsUrls.length === 0
      ? undefined
      : createNatsBus({
          servers: servers.natsUrls,
          tls: () => tls,
          credentials,
          name: `${part}-${name}`,
          log,
          registry,
        });
  servers.tell(electing, apiServers);
  servers.tell(bus, natsUrls);
  const stopLooking = servers.look(electing, systemClock);
  return {
    identity: name,
    connect: (fence) => {
      const connected = createApiClient({ ...client, fence });
      servers.tell(connected, apiServers);
      return connected;
    },
    leases: leasesOf(electing),
    bus,
    clock: systemClock,
    prng: createPrng(crypto.getRandomValues(new Uint32Array(1))[0]!),
    log,
    registry,
    async disconnect() {
      stopLooking();
      electing.close();
      await bus?.close();
      tls.close();
    },
  };
}
