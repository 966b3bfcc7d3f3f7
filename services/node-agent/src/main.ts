import { parseConfigOrExit } from "@trireme/config";
import { createLogger, createRegistry } from "@trireme/telemetry";
import { startAgent } from "./app.ts";
import { agentFlags } from "./config.ts";

/** A stop that takes longer than this is ended: nothing of the node depends on a clean one. */
const STOP_MS = 5000;

const config = parseConfigOrExit("node-agent", agentFlags);
const log = createLogger("node-agent", { keys: { node: config.name, cluster: config.clusterName } });
const agent = await startAgent(config, log, createRegistry());
let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    log.info("stopping; pods stay", { signal });
    setTimeout(() => process.exit(0), STOP_MS).unref();
    void agent.stop().then(() => process.exit(0));
  });
}
