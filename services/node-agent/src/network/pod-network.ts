import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@trireme/telemetry";
import { runTool } from "./tool.ts";

/** The bridge that joins the pods of a node. */
export const BRIDGE = "cni0";

/** The CNI configuration for a node's pods. Pure. */
export function conflist(podCidr: string, mtu: number, ipamDir: string): string {
  const ipam = {
    type: "host-local",
    dataDir: ipamDir,
    ranges: [[{ subnet: podCidr }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const bridge = { type: "bridge", bridge: BRIDGE, isGateway: true, ipMasq: false, hairpinMode: true, mtu, ipam };
  const portmap = { type: "portmap", capabilities: { portMappings: true }, snat: true };
  const list = { cniVersion: "0.4.0", name: "trireme", plugins: [bridge, portmap] };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

/** Kernel settings of the node's network namespace that routing between pods and Services needs. */
const SYSCTLS: Readonly<Record<string, string>> = {
  "net/ipv4/ip_forward": "1",
  // Answers of a pod to its neighbour on the bridge must pass the rules that rewrote the question.
  "net/bridge/bridge-nf-call-iptables": "1",
};

/** Makes the node fit to route; what the kernel lacks is logged, not fatal. */
export async function prepareKernel(log: Logger): Promise<void> {
  for (const [name, value] of Object.entries(SYSCTLS)) {
    const path = join("/proc/sys", name);
    try {
      if ((await readFile(path, "utf8")).trim() !== value) await writeFile(path, value);
    } catch (error) {
      log.warn("a kernel setting could not be made", { setting: name, err: error });
    }
  }
}

/** MTU of the interface that carries `address`, which pods' packets must not exceed. */
export async function mtuOf(address: string): Promise<number> {
  const links = JSON.parse(await runTool("ip", ["-j", "addr", "show"])) as {
    mtu?: number;
    addr_info?: { local?: string }[];
  }[];
  return links.find((link) => link.addr_info?.some((info) => info.local === address))?.mtu ?? 1500;
}

/** Writes the CNI configuration if it differs; the runtime notices by itself. */
export async function writeConflist(confDir: string, text: string): Promise<void> {
  const path = join(confDir, "10-trireme.conflist");
  if ((await readFile(path, "utf8").catch(() => "")) === text) return;
  await mkdir(confDir, { recursive: true });
  // The runtime reads the folder at any moment: the file must be whole, and the draft no *.conflist.
  await writeFile(`${path}.new`, text, { mode: 0o644 });
  await rename(`${path}.new`, path);
}
