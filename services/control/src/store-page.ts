import { readFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import type { Page } from "@trireme/telemetry";
import type { ControlConfig } from "./config.ts";

/** The store is on the same machine: silence of two seconds is a store that hangs. */
const TIMEOUT_MS = 2000;

/**
 * The metrics of this server's store. The store itself opens its port to certificates of its own CA alone, and knows no
 * roles; this page shows them to whom the API's roles admit. It fails when the store does not answer, so that the target is
 * down then.
 */
export function storePage(config: Pick<ControlConfig, "address" | "pkiDir" | "storeMonitorPort">): Page {
  const read = (file: string): Buffer => readFileSync(join(config.pkiDir, file));
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  return () =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        reject(new TriremeError("ServiceUnavailable", `this server's store does not tell its metrics: ${why}`));
      };
      // Read each time, since they are renewed; the agent keeps connections of other certificates apart.
      const tls = { ca: read("store-ca.crt"), cert: read("store-apiserver.crt"), key: read("store-apiserver.key") };
      const options = { ...tls, host: config.address, port: config.storeMonitorPort, path: "/metrics", agent };
      const request = get(options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        response.on("error", (error) => fail(error.message));
        response.on("end", () => {
          clearTimeout(timer);
          if (response.statusCode === 200) resolve(text);
          else fail(`it answered ${response.statusCode}`);
        });
      });
      const timer = setTimeout(() => request.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
      request.on("error", (error) => {
        clearTimeout(timer);
        fail(error.message);
      });
    });
}
