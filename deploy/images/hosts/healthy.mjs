#!/usr/local/bin/node
/** Exits 0 when this machine's door answers that it is ready: `/readyz` of a server, `/healthz` of a node's agent. */
import { existsSync, readFileSync } from "node:fs";
import { get } from "node:https";

const pki = `${process.env.TRIREME_DATA_DIR ?? "/var/lib/trireme/host"}/pki`;
const isServer = existsSync(`${pki}/apiserver.crt`);
const read = (file) => readFileSync(`${pki}/${file}`);
// An agent speaks to those alone who show a certificate of the cluster, such as its own.
const identity = isServer ? {} : { cert: read("node.crt"), key: read("node.key") };
const request = get(
  {
    ...identity,
    host: process.env.TRIREME_ADDRESS,
    port: isServer ? 6443 : 10_250,
    path: isServer ? "/readyz" : "/healthz",
    ca: read("ca.crt"),
    timeout: 3_000,
  },
  (answer) => {
    answer.resume();
    console.log(`HTTP ${answer.statusCode}`);
    process.exit(answer.statusCode === 200 ? 0 : 1);
  },
);
request.on("timeout", () => request.destroy(new Error("no answer within 3 s")));
request.on("error", (error) => {
  console.log(error.message);
  process.exit(1);
});
