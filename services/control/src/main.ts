import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { createControl } from "./app.ts";
import { controlFlags } from "./config.ts";

const config = parseConfigOrExit("trireme-control", controlFlags);
const log = createLogger("control");
const control = await createControl(config, log);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void control.stop().then(() => process.exit(0));
  });
}

await control.start();
