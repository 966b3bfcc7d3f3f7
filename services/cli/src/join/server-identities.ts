import { existsSync, readFileSync } from "node:fs";
import { type NatsSigner, createAccount, createOperator, createUser, natsServerConfig } from "@trireme/bus";
import * as bus from "@trireme/bus";
import {
  type Ca,
  createCa,
  SEALING_FILE,
  createSealingRing,
  createSigningKey,
  issue,
  readCa,
  sharedFolderOf,
  writeKeyPair,
  writePrivateFile,
} from "@trireme/pki";
import {
  AUTHORITIES,
  type BusIdentityPlan,
  type CaName,
  type CertificatePlan,
  authoritiesOf,
  busIdentitiesOf,
  certificatesOf,
} from "../plan/certificates.ts";
import { type Machine, PORTS } from "../plan/cluster-plan.ts";
import type { HostFile } from "../plan/host-file.ts";
import { kubeconfigOf } from "../plan/kubeconfig.ts";
import { knownServers, writeIfChanged } from "./files.ts";

/** The root of the bus' identities. */
export interface BusRoot {
  readonly operator: NatsSigner;
  readonly account: NatsSigner;
}

/** Makes what all servers of a new cluster hold: the authorities, the bus' root, the key of tokens. Keeps what is there. */
export async function foundSharedFolder(host: Machine, cluster: string): Promise<void> {
  const shared = sharedFolderOf(`${host.dir}/pki`);
  for (const [name, cn] of Object.entries(AUTHORITIES)) {
    if (!existsSync(`${shared}/${name}.crt`)) writeKeyPair(shared, name, await createCa(cn));
  }
  if (!existsSync(`${shared}/bus.json`)) {
    const operator = createOperator(`trireme-${cluster}`);
    const root: BusRoot = { operator, account: createAccount(cluster, operator) };
    writePrivateFile(`${shared}/bus.json`, JSON.stringify(root));
  }
  if (!existsSync(`${shared}/${SEALING_FILE}`)) writePrivateFile(`${shared}/${SEALING_FILE}`, createSealingRing());
  if (!existsSync(`${shared}/sa.key`)) writePrivateFile(`${shared}/sa.key`, await createSigningKey());
}

/** Makes every identity of a server that is missing, from its shared folder; what is there stays as it is. */
export async function createServerIdentities(host: Machine, file: HostFile): Promise<void> {
  const pki = `${host.dir}/pki`;
  const shared = sharedFolderOf(pki);
  const authorities = new Map<CaName, Ca>();
  for (const name of authoritiesOf(host)) {
    const ca = readCa(shared, name);
    authorities.set(name, ca);
    writeIfChanged(`${pki}/${name}.crt`, ca.cert);
  }
  await Promise.all(certificatesOf(host).map((plan) => ensureCertificate(plan, authorities)));
  await ensureKubeconfig(host, file.cluster, readCa(shared, "ca"));
  const root = JSON.parse(readFileSync(`${shared}/bus.json`, "utf8")) as BusRoot;
  for (const identity of busIdentitiesOf(host)) {
    const path = `${identity.dir}/nats-creds/${identity.file}.json`;
    if (existsSync(path)) continue;
    const user = createUser({ name: identity.name, ...permissionsOf(identity) }, root.account);
    writePrivateFile(path, JSON.stringify(user));
  }
  const config = natsServerConfig({
    serverName: host.name,
    clusterName: file.cluster,
    listenHost: host.address,
    routes: knownServers(host.dir, file).map((server) => `${server.address}:${PORTS.natsRoutes}`),
    certFile: `${pki}/nats.crt`,
    keyFile: `${pki}/nats.key`,
    caFile: `${pki}/ca.crt`,
    ...root,
  });
  writeIfChanged(`${host.dir}/nats/nats.conf`, config);
}

/** Where an administrator of a server's machine finds a kubeconfig. */
export function adminKubeconfigOf(host: Pick<Machine, "dir">): string {
  return `${host.dir}/admin.kubeconfig`;
}

/** Writes an administrator's kubeconfig for root on a server, who holds the authority's key anyway. */
async function ensureKubeconfig(host: Machine, cluster: string, ca: Ca): Promise<void> {
  const path = adminKubeconfigOf(host);
  if (existsSync(path)) return;
  const { cert, key } = await issue({ ca, cn: "admin", o: "system:masters", client: true });
  const files = { ca: Buffer.from(ca.cert), cert: Buffer.from(cert), key: Buffer.from(key) };
  writePrivateFile(path, kubeconfigOf(cluster, `https://${host.address}:${PORTS.https}`, files));
}

/** Issues a certificate that is planned, unless it is there. */
export async function ensureCertificate(plan: CertificatePlan, authorities: ReadonlyMap<CaName, Ca>): Promise<void> {
  if (existsSync(`${plan.dir}/${plan.file}.crt`)) return;
  const ca = authorities.get(plan.ca);
  if (ca === undefined) return;
  writeKeyPair(plan.dir, plan.file, await issue({ ...plan, ca }));
}

/** What an identity may say and hear on the bus. */
export function permissionsOf(identity: BusIdentityPlan): bus.BusPermissions {
  switch (identity.role) {
    case "relay":
      return bus.relayPermissions();
    case "scheduler":
      return bus.schedulerPermissions();
    case "controllers":
      return bus.controllersPermissions();
    case "node":
      return bus.nodePermissions(identity.node ?? "");
    case "dns":
      return bus.dnsPermissions();
  }
}
