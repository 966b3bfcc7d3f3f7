import { setPriority } from "node:os";
import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { startStore } from "./app.ts";
import { storeFlags } from "./config.ts";
import { dieOnWriteError } from "./replica/replica.ts";
import { readStoreTls } from "./tls.ts";

/** Above normal: a late heartbeat costs everybody an election. */
const PRIORITY = -10;

const config = parseConfigOrExit("trireme-store", storeFlags);
const log = createLogger("store", { keys: { member: config.name } });
try {
  setPriority(PRIORITY);
} catch (err) {
  log.debug("priority not raised", { err });
}

const app = await startStore({
  config,
  tls: readStoreTls(config.pkiDir),
  log,
  onFatal: dieOnWriteError(log),
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void app.stop().then(() => process.exit(0));
  });
}
