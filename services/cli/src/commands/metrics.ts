import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ENDPOINTSLICES, type EndpointSlice, NODES, type Node, PODS, type Pod } from "@trireme/api";
import { Command } from "commander";
import { adminClient } from "../local/api.ts";
import { readCluster } from "../local/state.ts";
import { outsideConfig } from "../monitoring/prometheus-config.ts";
import { apiAddressOf } from "../plan/cluster-plan.ts";
import { type ClusterOption, withCluster } from "./cluster-option.ts";

interface ConfigOptions extends ClusterOption {
  readonly caFile?: string;
  readonly tokenFile: string;
  readonly static?: boolean;
}

/** `metrics`: how to look at a cluster from outside. */
export function metricsCommand(): Command {
  const config = new Command("prometheus-config")
    .description("print the configuration of a Prometheus outside of the cluster")
    .option("--ca-file <file>", "the cluster's CA, as that Prometheus finds it (default: the local cluster's own file)")
    .option("--token-file <file>", "a token of ServiceAccount monitoring/prometheus; see deploy/prometheus", "token")
    .option("--static", "list what is there now instead of discovering it: for builds without Kubernetes, as Debian's");
  const command = new Command("metrics").description("monitoring");
  command.addCommand(
    withCluster(config).action(async (options: ConfigOptions) => {
      const plan = readCluster(options.cluster);
      const inside = readFileSync(join(process.env["TRIREME_ROOT"] ?? ".", "deploy/prometheus/prometheus.yml"), "utf8");
      const { tokenFile, caFile = `${plan.dir}/pki/ca.crt` } = options;
      const common = { apiServer: apiAddressOf(plan), caFile, tokenFile };
      if (options.static !== true) {
        process.stdout.write(outsideConfig(inside, common));
        return;
      }
      const client = adminClient(plan);
      try {
        const [nodes, slices, pods] = await Promise.all([
          client.resource<Node>(NODES).list(),
          client.resource<EndpointSlice>(ENDPOINTSLICES).list(),
          client.resource<Pod>(PODS).list(),
        ]);
        const found = { nodes: nodes.items, slices: slices.items, pods: pods.items };
        process.stdout.write(outsideConfig(inside, { ...common, found }));
      } finally {
        client.close();
      }
    }),
  );
  return command;
}
