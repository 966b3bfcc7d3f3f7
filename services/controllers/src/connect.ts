import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPrng, systemClock } from "@trireme/base";
import { type NatsCredentials, createNatsBus } from "@trireme/bus";
import { createApiClient } from "@trireme/client";
import { leasesOf } from "@trireme/controller";
import { type Logger, createRegistry } from "@trireme/telemetry";
import { type ControllersApp, createControllersApp } from "./app.ts";
import type { ControllersConfig } from "./config.ts";

/** The controllers with real connections, by the files of a server's folder of keys. */
export function connectControllers(
  config: ControllersConfig,
  log: Logger,
): { app: ControllersApp; close(): Promise<void> } {
  const read = (file: string): string => readFileSync(join(config.pkiDir, file), "utf8");
  const tls = { ca: read("ca.crt"), cert: read("controllers.crt"), key: read("controllers.key") };
  const registry = createRegistry();
  const userAgent = "trireme-controllers";
  // Elections do not wait in line behind the work, and carry no fence.
  const electing = createApiClient({ servers: config.apiServers, ...tls, userAgent, log, registry });
  const bus =
    config.natsUrls.length === 0
      ? undefined
      : createNatsBus({
          servers: config.natsUrls,
          tls: () => ({ ca: read("ca.crt"), cert: read("controllers.crt"), key: read("controllers.key") }),
          credentials: () => JSON.parse(read("nats-creds/controllers.json")) as NatsCredentials,
          name: `controllers-${config.name}`,
          log,
          registry,
        });
  const app = createControllersApp({
    identity: config.name,
    connect: (fence) => createApiClient({ servers: config.apiServers, ...tls, userAgent, fence, log, registry }),
    leases: leasesOf(electing),
    bus,
    serviceCidr: config.serviceCidr,
    defaultTolerationSeconds: config.defaultTolerationSeconds,
    clock: systemClock,
    prng: createPrng(seed()),
    log,
    registry,
  });
  return {
    app,
    async close() {
      await app.stop();
      electing.close();
      await bus?.close();
    },
  };
}

/** Differs between servers and starts: two of them must not choose the same names. */
function seed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
