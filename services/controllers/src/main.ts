import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfigOrExit } from "@trireme/config";
import { openPartConnections } from "@trireme/controller";
import { createLogger, offerPage } from "@trireme/telemetry";
import { createControllersApp } from "./app.ts";
import { controllersFlags } from "./config.ts";

const config = parseConfigOrExit("trireme-controllers", controllersFlags);
const log = createLogger("controllers", { keys: { host: config.name } });
const connections = openPartConnections("controllers", config, log);
const { serviceCidr, defaultTolerationSeconds } = config;
const rootCa = readFileSync(join(config.pkiDir, "ca.crt"), "utf8");
const app = createControllersApp({ ...connections, rootCa, serviceCidr, defaultTolerationSeconds });

offerPage("state", app.state);

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
