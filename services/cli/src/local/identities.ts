import { existsSync, readFileSync, rmSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { type Ca, readCa, sharedFolderOf, writePrivateFile } from "@trireme/pki";
import { readHostFile } from "../join/files.ts";
import { foundServer } from "../join/found.ts";
import { createServerIdentities, ensureCertificate } from "../join/server-identities.ts";
import { AUTHORITIES, type CaName, clusterCertificates } from "../plan/certificates.ts";
import { type ClusterPlan, type HostPlan, kubeconfigPath } from "../plan/cluster-plan.ts";
import { kubeconfigOf } from "../plan/kubeconfig.ts";

/**
 * Founds the cluster on its first server, unless a server holds it already, and makes the identities of people and of the
 * balancer that are missing. Every other host gets its own by joining.
 */
export async function createIdentities(plan: ClusterPlan): Promise<void> {
  const holder = holderOf(plan) ?? (await found(plan));
  for (const host of plan.servers) {
    const file = readHostFile(host.dir);
    // An identity that is missing, e.g. of a newer release, is made from the shared folder.
    if (file !== undefined) await createServerIdentities(host, file);
  }
  await createOwnIdentities(plan, sharedFolderOf(`${holder.dir}/pki`));
}

/** Whether `up` of an older release wrote every host's identities itself, from authorities in the cluster's own folder. */
export function isOlder(plan: ClusterPlan): boolean {
  return existsSync(`${plan.dir}/pki/ca.key`);
}

/** Throws Conflict for a cluster of an older release, with what to do. */
export function refuseOlder(plan: ClusterPlan): void {
  if (!isOlder(plan)) return;
  const of = `--cluster ${plan.name}`;
  throw new TriremeError(
    "Conflict",
    `cluster "${plan.name}" was made by an older release, whose hosts have never joined it. While it runs, ./tri backup FILE ${of} ` +
      `and ./tri restore FILE ${of} --force move it over, with its data; ./tri down --purge ${of} removes it`,
  );
}

function holderOf(plan: ClusterPlan): HostPlan | undefined {
  return plan.servers.find((host) => readHostFile(host.dir) !== undefined);
}

async function found(plan: ClusterPlan): Promise<HostPlan> {
  const [first] = plan.servers;
  if (first === undefined) {
    throw new TriremeError(
      "BadRequest",
      `cluster "${plan.name}" is made of bare hosts: ./tri host exec runs ./tri server or ./tri agent on one`,
    );
  }
  if (existsSync(`${plan.dir}/pki/ca.crt`)) {
    throw new TriremeError(
      "NotFound",
      `no server of cluster "${plan.name}" has its folder any more, so its data and its keys are lost: ./tri restore brings them ` +
        `back from a backup, ./tri down --purge --cluster ${plan.name} removes what is left`,
    );
  }
  await foundServer(first, plan.name);
  return first;
}

/** The identities in the cluster's own folder; those of other authorities than the servers', as after a restore, are made anew. */
async function createOwnIdentities(plan: ClusterPlan, shared: string): Promise<void> {
  const dir = `${plan.dir}/pki`;
  const authorities = new Map<CaName, Ca>();
  for (const name of Object.keys(AUTHORITIES) as CaName[]) authorities.set(name, readCa(shared, name));
  if (existsSync(`${dir}/ca.crt`) && readFileSync(`${dir}/ca.crt`, "utf8") !== authorities.get("ca")?.cert) {
    rmSync(dir, { recursive: true });
    rmSync(kubeconfigPath(plan), { force: true });
  }
  for (const [name, { cert }] of authorities) ensureFile(`${dir}/${name}.crt`, () => cert);
  await Promise.all(clusterCertificates(plan).map((certificate) => ensureCertificate(certificate, authorities)));
  ensureFile(kubeconfigPath(plan), () =>
    kubeconfigOf(plan.name, `https://127.0.0.1:${plan.shape.httpsPort}`, {
      ca: readFileSync(`${dir}/ca.crt`),
      cert: readFileSync(`${dir}/admin.crt`),
      key: readFileSync(`${dir}/admin.key`),
    }),
  );
}

function ensureFile(path: string, content: () => string | Uint8Array): void {
  if (!existsSync(path)) writePrivateFile(path, content());
}
