import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { controllersFlags } from "./config.ts";
import { connectControllers } from "./connect.ts";

const config = parseConfigOrExit("trireme-controllers", controllersFlags);
const log = createLogger("controllers", { keys: { host: config.name } });
const { app, close } = connectControllers(config, log);

// A thread gets no signals; whoever runs us on one emits this event instead.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void close().then(() => process.exit(0));
  });
}

app.start();
