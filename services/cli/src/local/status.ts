import { type ClusterPlan, type HostPlan, PORTS, apiAddressOf, kubeconfigPath } from "../plan/cluster-plan.ts";
import { criSocketOf } from "../plan/processes.ts";
import { readLivePid } from "../supervisor/process-id.ts";
import { removedReason } from "../supervisor/removed.ts";
import { hostPid } from "./keeper.ts";

/** What `tri status -o json` prints; the shape is fixed by the design, section 6. A pid is null while nothing runs. */
export interface ClusterStatus {
  readonly kubeconfig: string;
  readonly apiAddress: string;
  /** The API in gRPC, `host:port`, through the balancer. */
  readonly grpcAddress: string;
  readonly servers: readonly ServerStatus[];
  readonly nodes: readonly NodeStatus[];
  readonly balancer: { readonly pid: number | null; readonly address: string };
  readonly elections: Readonly<Record<string, string>>;
  readonly etcd: {
    readonly endpoints: readonly string[];
    readonly cacert: string;
    readonly cert: string;
    readonly key: string;
  };
}

/** One server in {@link ClusterStatus}. */
export interface ServerStatus {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
  readonly leader: boolean;
  readonly pids: Readonly<Record<"supervisor" | "store" | "control" | "nats", number | null>>;
  /** Why its store is kept down, and the way out; absent unless it was removed from the cluster. */
  readonly removed?: string;
  readonly endpoints: Readonly<Record<"etcd" | "https" | "grpc" | "metrics", string>>;
}

/** One node in {@link ClusterStatus}. */
export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
  readonly pids: Readonly<Record<"supervisor" | "agent" | "containerd" | "dns", number | null>>;
  readonly criSocket: string;
}

/** What only the running parts know: which store member leads, who holds which election. */
export interface Observed {
  readonly leaders: ReadonlySet<string>;
  readonly elections: Readonly<Record<string, string>>;
}

/** Puts together what a plan, the pid files and the running parts say. */
export function statusOf(plan: ClusterPlan, observed: Observed): ClusterStatus {
  const pid = (host: HostPlan, name: string): number | null => hostPid(host, name) ?? null;
  return {
    kubeconfig: kubeconfigPath(plan),
    apiAddress: apiAddressOf(plan),
    grpcAddress: `127.0.0.1:${plan.shape.grpcPort}`,
    servers: plan.hosts.filter(isServer).map((host) => ({
      name: host.name,
      address: host.address,
      netns: host.netns,
      leader: observed.leaders.has(host.name),
      ...removedOf(host),
      pids: {
        supervisor: pid(host, "supervisor"),
        store: pid(host, "store"),
        control: pid(host, "control"),
        nats: pid(host, "nats"),
      },
      endpoints: {
        etcd: `${host.address}:${PORTS.storeClient}`,
        https: `${host.address}:${PORTS.https}`,
        grpc: `${host.address}:${PORTS.grpc}`,
        metrics: `${host.address}:${PORTS.controlMetrics}`,
      },
    })),
    nodes: plan.hosts
      .filter((host) => !isServer(host))
      .map((host) => ({
        name: host.name,
        address: host.address,
        netns: host.netns,
        pids: {
          supervisor: pid(host, "supervisor"),
          agent: pid(host, "agent"),
          containerd: pid(host, "containerd"),
          dns: pid(host, "dns"),
        },
        criSocket: criSocketOf(host),
      })),
    balancer: {
      pid: readLivePid(`${plan.dir}/run/balancer.pid`)?.pid ?? null,
      address: `127.0.0.1:${plan.shape.httpsPort}`,
    },
    elections: observed.elections,
    etcd: {
      endpoints: plan.hosts.filter(isServer).map((host) => `${host.address}:${PORTS.storeClient}`),
      cacert: `${plan.dir}/pki/store-ca.crt`,
      cert: `${plan.dir}/pki/operator.crt`,
      key: `${plan.dir}/pki/operator.key`,
    },
  };
}

function removedOf(host: HostPlan): { removed?: string } {
  const reason = removedReason(host);
  return reason === undefined ? {} : { removed: `${reason.says}; ${reason.wayOut}` };
}

function isServer(host: HostPlan): boolean {
  return host.role === "server";
}
