import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { schedulerFlags } from "./config.ts";
import { connectScheduler } from "./connect.ts";

const config = parseConfigOrExit("trireme-scheduler", schedulerFlags);
const log = createLogger("scheduler", { keys: { host: config.name } });
const { app, close } = connectScheduler(config, log);

// A thread gets no signals; whoever runs us on one emits this event instead.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void close().then(() => process.exit(0));
  });
}

app.start();
