import { parseConfigOrExit } from "@trireme/config";
import { openPartConnections } from "@trireme/controller";
import { createLogger } from "@trireme/telemetry";
import { createSchedulerApp } from "./app.ts";
import { schedulerFlags } from "./config.ts";

const config = parseConfigOrExit("trireme-scheduler", schedulerFlags);
const log = createLogger("scheduler", { keys: { host: config.name } });
const connections = openPartConnections("scheduler", config, log);
const app = createSchedulerApp(connections);

async function close(): Promise<void> {
  await app.stop();
  await connections.disconnect();
}

// A thread gets no signals; whoever runs us on one emits this event instead.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void close().then(() => process.exit(0));
  });
}

app.start();
