import { readFileSync } from "node:fs";
import { flag, parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { startBalancer } from "./app.ts";
import type { BalancerConfig } from "./config.ts";

/** Starts the balancer of a local cluster: API and NodePorts on 127.0.0.1. */
const flags = parseConfigOrExit("balancer", {
  config: flag.string({ help: "The JSON file that names servers, ports and certificates.", placeholder: "FILE" }),
});
const config = JSON.parse(readFileSync(flags.config, "utf8")) as BalancerConfig;
const balancer = await startBalancer(config, createLogger("balancer"));
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    balancer.stop();
    process.exit(0);
  });
}
