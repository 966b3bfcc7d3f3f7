import { existsSync, readFileSync } from "node:fs";
import { createAccount, createOperator, createUser, natsServerConfig } from "@trireme/bus";
import {
  type Ca,
  SEALING_FILE,
  createCa,
  createSealingRing,
  createSigningKey,
  readCa,
  writeKeyPair,
  writePrivateFile,
} from "@trireme/pki";
import {
  AUTHORITIES,
  type BusIdentityPlan,
  type CaName,
  authoritiesOf,
  busIdentitiesOf,
  certificatesOf,
  clusterCertificates,
} from "../plan/certificates.ts";
import { type BusRoot, ensureCertificate, permissionsOf } from "../join/server-identities.ts";
import { type ClusterPlan, PORTS } from "../plan/cluster-plan.ts";
import { kubeconfigOf } from "../plan/kubeconfig.ts";

/** Makes every identity of the cluster that is missing; what is there stays as it is. */
export async function createIdentities(plan: ClusterPlan): Promise<void> {
  const dir = `${plan.dir}/pki`;
  const names = Object.keys(AUTHORITIES) as CaName[];
  const authorities = new Map<CaName, Ca>();
  for (const name of names) authorities.set(name, await ensureCa(dir, name));
  const wanted = [...clusterCertificates(plan), ...plan.managed.flatMap(certificatesOf)];
  await Promise.all(wanted.map((certificate) => ensureCertificate(certificate, authorities)));
  for (const host of plan.managed) {
    for (const name of authoritiesOf(host)) {
      ensureFile(`${host.dir}/pki/${name}.crt`, () => authorities.get(name)?.cert ?? "");
    }
  }
  if (!existsSync(`${dir}/sa.key`)) writePrivateFile(`${dir}/sa.key`, await createSigningKey());
  const saKey = readFileSync(`${dir}/sa.key`);
  ensureSealingRing(plan);
  for (const host of plan.servers) ensureFile(`${host.dir}/pki/shared/sa.key`, () => saKey);
  createBusIdentities(plan);
  for (const host of plan.servers) {
    for (const name of [...names.flatMap((it) => [`${it}.crt`, `${it}.key`]), "bus.json"]) {
      ensureFile(`${host.dir}/pki/shared/${name}`, () => readFileSync(`${dir}/${name}`));
    }
  }
  ensureFile(kubeconfigPath(plan), () =>
    kubeconfigOf(plan.name, `https://127.0.0.1:${plan.shape.httpsPort}`, {
      ca: readFileSync(`${dir}/ca.crt`),
      cert: readFileSync(`${dir}/admin.crt`),
      key: readFileSync(`${dir}/admin.key`),
    }),
  );
}

/** Where the administrator's kubeconfig is. */
export function kubeconfigPath(plan: ClusterPlan): string {
  return `${plan.dir}/admin.kubeconfig`;
}

async function ensureCa(dir: string, name: CaName): Promise<Ca> {
  if (existsSync(`${dir}/${name}.crt`)) return readCa(dir, name);
  const ca = await createCa(AUTHORITIES[name]);
  writeKeyPair(dir, name, ca);
  return ca;
}

function ensureFile(path: string, content: () => string | Uint8Array): void {
  if (!existsSync(path)) writePrivateFile(path, content());
}

/**
 * Gives the servers of a new cluster one ring of sealing keys. One that a server has lost comes from another server; where
 * all have lost it the servers say so at their start, if anything is sealed with it.
 */
function ensureSealingRing(plan: ClusterPlan): void {
  const files = plan.servers.map((host) => `${host.dir}/pki/shared/${SEALING_FILE}`);
  const present = files.find((file) => existsSync(file));
  const ring = present === undefined ? createSealingRing() : readFileSync(present);
  for (const file of files) ensureFile(file, () => ring);
}

function createBusIdentities(plan: ClusterPlan): void {
  const files = [
    ...plan.managed.flatMap(busIdentitiesOf).map(credentialsFile),
    ...plan.servers.map((host) => `${host.dir}/nats/nats.conf`),
  ];
  if (files.every((file) => existsSync(file))) return;
  const rootFile = `${plan.dir}/pki/bus.json`;
  if (!existsSync(rootFile)) {
    const operator = createOperator(`trireme-${plan.name}`);
    const made: BusRoot = { operator, account: createAccount(plan.name, operator) };
    writePrivateFile(rootFile, JSON.stringify(made));
  }
  const root = JSON.parse(readFileSync(rootFile, "utf8")) as BusRoot;
  for (const host of plan.managed) {
    for (const identity of busIdentitiesOf(host)) {
      ensureFile(credentialsFile(identity), () =>
        JSON.stringify(createUser({ name: identity.name, ...permissionsOf(identity) }, root.account)),
      );
    }
  }
  for (const host of plan.servers) {
    const pki = `${host.dir}/pki`;
    ensureFile(`${host.dir}/nats/nats.conf`, () =>
      natsServerConfig({
        serverName: host.name,
        clusterName: plan.name,
        listenHost: host.address,
        routes: plan.servers.map((server) => `${server.address}:${PORTS.natsRoutes}`),
        certFile: `${pki}/nats.crt`,
        keyFile: `${pki}/nats.key`,
        caFile: `${pki}/ca.crt`,
        operator: root.operator,
        account: root.account,
      }),
    );
  }
}

function credentialsFile(identity: BusIdentityPlan): string {
  return `${identity.dir}/nats-creds/${identity.file}.json`;
}
