import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Neighbour, connectApiserver } from "@trireme/apiserver";
import { sleep, systemClock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import type { ControlConfig } from "./config.ts";
import { natsPage } from "./nats-page.ts";
import { storePage } from "./store-page.ts";
import { SupervisedWorker, type WorkerSpec } from "./worker.ts";

/** The programs that run beside the apiserver, each on a thread of its own. */
const WORKERS = ["scheduler", "controllers"];

/** An apiserver with a store that answers is there within a second or two. */
const WORKERS_WAIT_MS = 3_000;

/** A server's control plane. */
export interface Control {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Puts the control plane of one server together: the apiserver here, the workers on their threads. */
export async function createControl(config: ControlConfig, log: Logger): Promise<Control> {
  const workers = WORKERS.map((name) => new SupervisedWorker(workerSpec(name, config), systemClock, log));
  const [scheduler, controllers] = workers;
  const neighbours: readonly Neighbour[] = [
    { name: "scheduler", port: config.schedulerMetricsPort, page: () => scheduler!.metrics() },
    { name: "controllers", port: config.controllersMetricsPort, page: () => controllers!.metrics() },
    { name: "state", port: config.stateMetricsPort, page: () => controllers!.metrics("state") },
    { name: "store", port: config.storeMetricsPort, page: storePage(config) },
    { name: "nats", port: config.natsMetricsPort, page: natsPage(config.natsMonitorPort) },
  ];
  const apiserver = await connectApiserver(config, log.child({ part: "apiserver" }), neighbours);
  return {
    async start() {
      // A worker can do nothing before an apiserver answers, and threads that start at once only slow each other. When
      // ours takes long they start all the same: they find their way to another server's.
      const started = apiserver.start();
      await Promise.race([started, sleep(WORKERS_WAIT_MS)]);
      for (const worker of workers) worker.start();
      await started;
    },
    async stop() {
      // Workers first: they release their elections through an apiserver, best through ours.
      await Promise.all(workers.map((worker) => worker.stop()));
      await apiserver.stop();
    },
  };
}

/** What a worker runs and with which flags. */
export function workerSpec(name: string, config: ControlConfig): WorkerSpec {
  const program =
    config.workerDir === undefined
      ? new URL(`../../${name}/src/main.ts`, import.meta.url).href
      : pathToFileURL(join(config.workerDir, `${name}.mjs`)).href;
  const argv = [
    `--name=${config.name}`,
    `--pki-dir=${config.pkiDir}`,
    `--api-servers=${config.apiServers.join(",")}`,
    ...(config.natsUrls.length === 0 ? [] : [`--nats-urls=${config.natsUrls.join(",")}`]),
    ...(config.serversFile === undefined ? [] : [`--servers-file=${config.serversFile}`]),
    ...(name === "controllers" ? [`--service-cidr=${config.serviceCidr}`] : []),
  ];
  return { name, program, argv };
}
