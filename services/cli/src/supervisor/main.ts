import { flag, parseConfigOrExit } from "@trireme/config";
import { processIdOf, writePidFile } from "./process-id.ts";
import { Supervisor, readSpec } from "./supervisor.ts";

/** Starts the supervisor of one host, or the keeper of a local cluster: the same program with another spec. */
const config = parseConfigOrExit("supervisor", {
  spec: flag.string({ help: "The JSON file that lists the processes to keep running.", placeholder: "FILE" }),
  pidFile: flag.string({
    help: "Where to write its own pid, when nobody else does.",
    placeholder: "FILE",
    optional: true,
  }),
});

const first = readSpec(config.spec);
const supervisor = new Supervisor((message, keys) => {
  const line = { time: new Date().toISOString(), component: "supervisor", name: first.name, msg: message, ...keys };
  process.stdout.write(`${JSON.stringify(line)}\n`);
});
process.on("SIGHUP", () => supervisor.apply(readSpec(config.spec)));
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    supervisor.stop();
    process.exit(0);
  });
}
supervisor.apply(first);
// Written last: who waits for it may rely on every child having been started.
const self = processIdOf(process.pid);
if (config.pidFile !== undefined && self !== undefined) writePidFile(config.pidFile, self);
