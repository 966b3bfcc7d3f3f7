import { errorFrom } from "@trireme/base";
import { parseConfigOrExit } from "@trireme/config";
import { createLogger } from "@trireme/telemetry";
import { createControl } from "./app.ts";
import { controlFlags } from "./config.ts";

const config = parseConfigOrExit("trireme-control", controlFlags);
const log = createLogger("control");
/** In one line, since it is all that people see of a server that does not start: a key that is missing, say. */
const refuse = (thrown: unknown): never => {
  log.error("control does not start", { err: errorFrom(thrown).message });
  process.exit(1);
};

const control = await createControl(config, log).catch(refuse);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info("stopping", { signal });
    void control.stop().then(() => process.exit(0));
  });
}

await control.start().catch(refuse);
