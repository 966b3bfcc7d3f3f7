// The routes of a node `n1` to the pods of a node `n2`: `node routes-harness.ts ADDRESS_OF_N2 CIDR_OF_N2`, in n1's network,
// until its standard input ends.
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
createRoutes({ self: "n1", nodes: () => [other], clock: systemClock, log: silentLogger }).poke();
process.stdin.resume().once("end", () => process.exit(0));
