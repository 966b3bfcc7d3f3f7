import { nodeIdentities } from "@trireme/pki";
import { type ClusterPlan, type Machine, RANGES } from "./cluster-plan.ts";

/** The three authorities: a store or peer certificate opens no API, and the other way round. */
export type CaName = "ca" | "store-ca" | "peer-ca";

/** Every authority with the name that its certificate carries. */
export const AUTHORITIES: Readonly<Record<CaName, string>> = {
  ca: "trireme-ca",
  "store-ca": "trireme-store-ca",
  "peer-ca": "trireme-peer-ca",
};

/** One certificate that has to exist, as `<dir>/<file>.crt` and `.key`. */
export interface CertificatePlan {
  readonly dir: string;
  readonly file: string;
  readonly ca: CaName;
  readonly cn: string;
  readonly o?: string;
  readonly sans?: readonly string[];
  readonly server?: true;
  readonly client?: true;
}

/** A bus identity that has to exist, as `<dir>/nats-creds/<file>.json`. */
export interface BusIdentityPlan {
  readonly dir: string;
  readonly file: string;
  readonly role: "relay" | "scheduler" | "controllers" | "node" | "dns";
  /** The name in the token, unique in the cluster. */
  readonly name: string;
  readonly node?: string;
}

/** The one name that every nats-server's certificate carries, since clients connect by address. */
const NATS_NAME = "nats.trireme";

/** The identities of a host, each with the least that its process needs. */
export function certificatesOf(host: Machine): CertificatePlan[] {
  const dir = `${host.dir}/pki`;
  const cert = (file: string, rest: Omit<CertificatePlan, "dir" | "file">): CertificatePlan => ({ dir, file, ...rest });
  const local = [host.address, "127.0.0.1", "localhost"];
  if (host.role === "node") {
    return nodeIdentities(host.name, host.address).map(({ file, ...identity }) =>
      cert(file, { ca: "ca", ...identity, server: true, client: true }),
    );
  }
  const apiNames = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ];
  return [
    cert("apiserver", {
      ca: "ca",
      cn: "kube-apiserver",
      sans: [...local, ...apiNames, RANGES.apiServiceAddress],
      server: true,
    }),
    cert("apiserver-client", {
      ca: "ca",
      cn: `system:apiserver:${host.name}`,
      o: "system:apiservers",
      client: true,
    }),
    cert("store-server", { ca: "store-ca", cn: host.name, sans: local, server: true }),
    cert("store-apiserver", {
      ca: "store-ca",
      cn: `apiserver:${host.name}`,
      o: "trireme:apiservers",
      client: true,
    }),
    cert("peer", { ca: "peer-ca", cn: host.name, sans: [host.address, host.name], server: true, client: true }),
    cert("nats", { ca: "ca", cn: `nats:${host.name}`, sans: [NATS_NAME, host.address], server: true, client: true }),
    cert("scheduler", { ca: "ca", cn: "system:kube-scheduler", client: true }),
    cert("controllers", { ca: "ca", cn: "system:kube-controller-manager", client: true }),
  ];
}

/** The identities of people and of the balancer, in the cluster's own folder. */
export function clusterCertificates(plan: ClusterPlan): CertificatePlan[] {
  const dir = `${plan.dir}/pki`;
  return [
    { dir, file: "admin", ca: "ca", cn: "admin", o: "system:masters", client: true },
    { dir, file: "balancer", ca: "ca", cn: "system:trireme-balancer", client: true },
    { dir, file: "operator", ca: "store-ca", cn: "operator", o: "trireme:operators", client: true },
  ];
}

/** Certificates of authorities that a host needs to know. */
export function authoritiesOf(host: Pick<Machine, "role">): CaName[] {
  return host.role === "node" ? ["ca"] : ["ca", "store-ca", "peer-ca"];
}

/** The bus identities of a host. */
export function busIdentitiesOf(host: Machine): BusIdentityPlan[] {
  const dir = `${host.dir}/pki`;
  if (host.role === "node") {
    return [
      { dir, file: "node", role: "node", name: `node:${host.name}`, node: host.name },
      { dir, file: "dns", role: "dns", name: `dns:${host.name}`, node: host.name },
    ];
  }
  return [
    { dir, file: "relay", role: "relay", name: `relay:${host.name}` },
    { dir, file: "scheduler", role: "scheduler", name: `scheduler:${host.name}` },
    { dir, file: "controllers", role: "controllers", name: `controllers:${host.name}` },
  ];
}
