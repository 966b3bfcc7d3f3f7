import { setPriority } from "node:os";
import { EXIT_REMOVED, errorFrom } from "@trireme/base";
import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { startStore } from "./app.ts";
import { programFlags } from "./config.ts";
import { dieOnWriteError } from "./replica/replica.ts";
import { restoreStore } from "./restore.ts";
import { readStoreTls } from "./tls.ts";

/** Above normal: a late heartbeat costs everybody an election. */
const PRIORITY = -10;

const config = parseConfigOrExit("trireme-store", programFlags);
const log = createLogger("store", { keys: { member: config.name } });
try {
  setPriority(PRIORITY);
} catch (err) {
  log.debug("priority not raised", { err });
}

if (config.restoreFrom !== undefined) {
  const { restoreFrom: file, leaveBehind } = config;
  await restoreStore({ config, file, leaveBehind, log }).catch((error: unknown) => {
    process.stderr.write(`${errorFrom(error).message}\n`);
    process.exit(1);
  });
  process.exit(0);
}

const app = await startStore({
  config,
  tls: readStoreTls(config.pkiDir, (err) => log.error("a certificate cannot be followed: the last one stays", { err })),
  log,
  onFatal: dieOnWriteError(log),
  onRemoved: () => process.exit(EXIT_REMOVED),
}).catch((error: unknown) => {
  const { code, message } = errorFrom(error);
  log.error("the store does not start", { err: message });
  process.exit(code === "Gone" ? EXIT_REMOVED : 1);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void app.stop().then(() => process.exit(0));
  });
}
