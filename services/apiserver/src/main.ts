import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { apiserverFlags } from "./config.ts";
import { connectApiserver } from "./connections.ts";

const config = parseConfigOrExit("trireme-apiserver", apiserverFlags);
const log = createLogger("apiserver");
const apiserver = await connectApiserver(config, log);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void apiserver.stop().then(() => process.exit(0));
  });
}

await apiserver.start();
