import { parseConfigOrExit } from "@trireme/config";
import { createLogger, createRegistry } from "@trireme/telemetry";
import { startDns } from "./app.ts";
import { dnsFlags } from "./config.ts";

/** A stop that takes longer than this is ended: questions in flight are asked again elsewhere. */
const STOP_MS = 2000;

const config = parseConfigOrExit("dns", dnsFlags);
const log = createLogger("dns", { keys: { node: config.name } });
const dns = await startDns(config, log, createRegistry());
let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(0), STOP_MS).unref();
    void dns.stop().then(() => process.exit(0));
  });
}
