import { Command } from "commander";
import { observe } from "../local/observe.ts";
import { readCluster } from "../local/state.ts";
import { type ClusterStatus, statusOf } from "../local/status.ts";
import { kubeconfigPath } from "../plan/cluster-plan.ts";
import { type ClusterOption, withCluster } from "./cluster-option.ts";

/** `status`. */
export function statusCommand(): Command {
  const command = new Command("status")
    .description("show servers, nodes, leaders and addresses")
    .option("-o, --output <format>", "json, or a text for people");
  return withCluster(command).action(async (options: ClusterOption & { output?: string }) => {
    const plan = readCluster(options.cluster);
    const status = statusOf(plan, await observe(plan));
    process.stdout.write(options.output === "json" ? `${JSON.stringify(status, null, 2)}\n` : describe(status));
  });
}

function describe(status: ClusterStatus): string {
  const running = (pids: Readonly<Record<string, number | null>>): string =>
    Object.entries(pids)
      .map(([name, pid]) => `${name} ${pid ?? "-"}`)
      .join("  ");
  const lines = [
    `api         ${status.apiAddress}, gRPC ${status.grpcAddress} (balancer ${status.balancer.pid ?? "-"})`,
    `kubeconfig  ${status.kubeconfig}`,
    ...status.servers.map(
      (it) =>
        `${it.name.padEnd(11)} ${it.address}  ${running(it.pids)}${it.leader ? "  leader" : ""}` +
        (it.removed === undefined ? "" : `\n${" ".repeat(12)}${it.removed}`),
    ),
    ...status.nodes.map((it) => `${it.name.padEnd(11)} ${it.address}  ${running(it.pids)}`),
    ...Object.entries(status.elections).map(([name, holder]) => `${name.padEnd(11)} elected: ${holder}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** `kubeconfig`. */
export function kubeconfigCommand(): Command {
  const command = new Command("kubeconfig").description("print the path of the administrator's kubeconfig");
  return withCluster(command).action((options: ClusterOption) => {
    process.stdout.write(`${kubeconfigPath(readCluster(options.cluster))}\n`);
  });
}
