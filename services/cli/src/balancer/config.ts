import { type ClusterPlan, PORTS } from "../plan/cluster-plan.ts";

/** What the balancer reads at start. */
export interface BalancerConfig {
  readonly servers: readonly { readonly name: string; readonly address: string }[];
  readonly httpsPort: number;
  readonly grpcPort: number;
  /** Ports of the API on each server. */
  readonly serverHttpsPort: number;
  readonly serverGrpcPort: number;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Where it keeps the newest list of servers. */
  readonly serversFile: string;
  /** Where it writes which local port serves which NodePort. */
  readonly nodePortsFile: string;
}

/** The balancer's configuration of a cluster. */
export function balancerConfigOf(plan: ClusterPlan): BalancerConfig {
  return {
    servers: plan.servers.map(({ name, address }) => ({ name, address })),
    httpsPort: plan.shape.httpsPort,
    grpcPort: plan.shape.grpcPort,
    serverHttpsPort: PORTS.https,
    serverGrpcPort: PORTS.grpc,
    caFile: `${plan.dir}/pki/ca.crt`,
    certFile: `${plan.dir}/pki/balancer.crt`,
    keyFile: `${plan.dir}/pki/balancer.key`,
    serversFile: `${plan.dir}/run/servers.json`,
    nodePortsFile: `${plan.dir}/run/node-ports.json`,
  };
}
