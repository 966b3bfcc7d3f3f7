/**
 * `node load-generator.ts URL FRESH KEPT [TIMEOUT_MS]`: sends FRESH requests a second on connections of their own and
 * KEPT a second over kept ones, until its standard input ends; then, and for each line of the input, prints a
 * {@link GeneratorReport} of all so far. A process of its own, so that it can run in a pod's network, and so that a test's
 * own work delays no request.
 */
import { createInterface } from "node:readline";
import { type LoadReport, fetchText, keptConnections, openLoop } from "./http.ts";

/** What a generator prints. */
export interface GeneratorReport {
  readonly fresh: LoadReport;
  readonly kept: LoadReport;
}

/**
 * Each is used every second or two: enough to lie on every pod, not so many that one is idle for as long as a server keeps it, and
 * a request waits for no other's answer.
 */
const CONNECTIONS = 50;

const [url = "", fresh, kept, timeout] = process.argv.slice(2);
const timeoutMs = timeout === undefined ? undefined : Number(timeout);
const connections = keptConnections(CONNECTIONS, timeoutMs);
const loads = [
  openLoop(Number(fresh), () => fetchText(url, timeoutMs)),
  openLoop(Number(kept), () => connections.send(url)),
];
const report = (): void => console.log(JSON.stringify({ fresh: loads[0]!.soFar, kept: loads[1]!.soFar }));
createInterface({ input: process.stdin })
  .on("line", report)
  .once("close", () => {
    void Promise.all(loads.map((load) => load.stop())).then(() => {
      report();
      connections.close();
    });
  });
