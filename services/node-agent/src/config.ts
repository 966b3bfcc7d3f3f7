import { flag } from "@trireme/config";
import type { ConfigOf } from "@trireme/config";

/** The agent's settings. */
export const agentFlags = {
  name: flag.string({ help: "This node's name, unique in the cluster." }),
  address: flag.string({ help: "This node's address, by which all others reach it." }),
  dir: flag.string({ help: "Where the agent keeps its state." }),
  pkiDir: flag.string({ help: "Where ca.crt, node.crt, node.key and nats-creds/node.json are." }),
  apiServers: flag.hostPorts({ help: "Every apiserver." }),
  natsUrls: flag.hostPorts({ help: "Every NATS server.", default: [] }),
  serversFile: flag.string({
    help: "Where the newest list of servers is kept, which a start prefers to the flags.",
    optional: true,
  }),
  criSocket: flag.string({ help: "The container runtime's socket." }),
  clusterDnsDomain: flag.string({ help: "The domain of Services.", default: "cluster.local" }),
  cgroupParent: flag.string({ help: "The cgroup below which pods run.", default: "/trireme/pods" }),
  clusterName: flag.string({ help: "The cluster's name, for logs.", default: "local" }),
  parallelStarts: flag.int({ help: "Pods that start at once; 0: two for each CPU, at most 8.", default: 0, max: 64 }),
  httpsPort: flag.int({ help: "Port of /healthz and /metrics.", default: 10_250, min: 1, max: 65_535 }),
  grpcPort: flag.int({ help: "Port of NodeService.", default: 10_251, min: 1, max: 65_535 }),
} as const;

/** The parsed settings. */
export type AgentConfig = ConfigOf<typeof agentFlags>;
