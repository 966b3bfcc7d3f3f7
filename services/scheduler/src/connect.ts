import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPrng, systemClock } from "@trireme/base";
import { type NatsCredentials, createNatsBus } from "@trireme/bus";
import { createApiClient } from "@trireme/client";
import { leasesOf } from "@trireme/controller";
import { type Logger, createRegistry } from "@trireme/telemetry";
import { type SchedulerApp, createSchedulerApp } from "./app.ts";
import type { SchedulerConfig } from "./config.ts";

/** The scheduler with real connections, by the files of a server's folder of keys. */
export function connectScheduler(config: SchedulerConfig, log: Logger): { app: SchedulerApp; close(): Promise<void> } {
  const read = (file: string): string => readFileSync(join(config.pkiDir, file), "utf8");
  const tls = { ca: read("ca.crt"), cert: read("scheduler.crt"), key: read("scheduler.key") };
  const registry = createRegistry();
  const userAgent = "trireme-scheduler";
  // Elections do not wait in line behind the work, and carry no fence.
  const electing = createApiClient({ servers: config.apiServers, ...tls, userAgent, log, registry });
  const bus =
    config.natsUrls.length === 0
      ? undefined
      : createNatsBus({
          servers: config.natsUrls,
          tls: () => ({ ca: read("ca.crt"), cert: read("scheduler.crt"), key: read("scheduler.key") }),
          credentials: () => JSON.parse(read("nats-creds/scheduler.json")) as NatsCredentials,
          name: `scheduler-${config.name}`,
          log,
          registry,
        });
  const app = createSchedulerApp({
    identity: config.name,
    connect: (fence) => createApiClient({ servers: config.apiServers, ...tls, userAgent, fence, log, registry }),
    leases: leasesOf(electing),
    bus,
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
