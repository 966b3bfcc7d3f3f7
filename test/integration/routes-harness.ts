// The routes of a node `n1` to the pods of a node `n2`: `node routes-harness.ts ADDRESS_OF_N2 CIDR_OF_N2`, in n1's network.
// Told to begin by the first line of its standard input; ends with it.
import type { Node } from "@trireme/api";
import { systemClock } from "@trireme/base";
import { createRoutes } from "@trireme/node-agent";
import { silentLogger } from "@trireme/telemetry";

const [address = "", podCIDR = ""] = process.argv.slice(2);
const other: Node = {
  metadata: { name: "n2" },
  spec: { podCIDR },
  status: { addresses: [{ type: "InternalIP", address }] },
};
let nodes: readonly Node[] = [];
const routes = createRoutes({ self: "n1", nodes: () => nodes, clock: systemClock, log: silentLogger });
process.stdin
  .once("data", () => {
    nodes = [other];
    routes.poke();
  })
  .once("end", () => process.exit(0));
console.log("ready");
