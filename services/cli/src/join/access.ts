import { existsSync, readFileSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { type ApiClient, createApiClient } from "@trireme/client";
import { issue, readCa, sharedFolderOf } from "@trireme/pki";
import { parse } from "yaml";
import { findCluster } from "../local/state.ts";
import { PORTS } from "../plan/cluster-plan.ts";
import { knownServers, readHostFile } from "./files.ts";

/** An administrator's way into a cluster. */
export interface Access {
  readonly client: ApiClient;
  /** The cluster's CA, PEM. */
  readonly ca: string;
}

/** Where to look for a way in, in this order. */
export interface AccessOptions {
  readonly dataDir: string;
  readonly cluster?: string | undefined;
  readonly kubeconfig?: string | undefined;
}

/** A command's own certificate lives only as long as a command may take. */
const COMMAND_CERTIFICATE_DAYS = 1;

/**
 * Finds an administrator's way in: the named local cluster's, the one of the server whose folder this is (root on a server
 * holds the CA's key anyway, so a certificate is made for this one command), or a kubeconfig's.
 */
export async function openAccess(options: AccessOptions): Promise<Access> {
  const { cluster, dataDir, kubeconfig } = options;
  if (cluster !== undefined) return localAccess(cluster);
  if (existsSync(sharedFolderOf(`${dataDir}/pki`))) return serverAccess(dataDir);
  if (kubeconfig !== undefined && kubeconfig !== "") return kubeconfigAccess(kubeconfig);
  if (findCluster("local") !== undefined) return localAccess("local");
  throw new TriremeError(
    "NotFound",
    `no cluster to talk to: ${dataDir} is no server's folder (--data-dir), KUBECONFIG is not set, and there is no local cluster`,
  );
}

async function serverAccess(dataDir: string): Promise<Access> {
  const file = readHostFile(dataDir);
  if (file === undefined)
    throw new TriremeError("NotFound", `${dataDir}/host.json is missing: no server has joined here`);
  const ca = readCa(sharedFolderOf(`${dataDir}/pki`), "ca");
  const pair = await issue({ ca, cn: "admin", o: "system:masters", client: true, days: COMMAND_CERTIFICATE_DAYS });
  const known = knownServers(dataDir, file);
  const own = known.filter((server) => server.name === file.name);
  const servers = [...own, ...known.filter((server) => server.name !== file.name)];
  return open(
    servers.map(({ address }) => `${address}:${PORTS.https}`),
    { ca: ca.cert, ...pair },
  );
}

function localAccess(cluster: string): Access {
  const plan = findCluster(cluster);
  if (plan === undefined) throw new TriremeError("NotFound", `there is no local cluster "${cluster}"`);
  const read = (file: string): string => readFileSync(`${plan.dir}/pki/${file}`, "utf8");
  return open([`127.0.0.1:${plan.shape.httpsPort}`], {
    ca: read("ca.crt"),
    cert: read("admin.crt"),
    key: read("admin.key"),
  });
}

/** The parts of a kubeconfig that are read here. */
interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly { name: string; context: { cluster: string; user: string } }[];
  readonly clusters?: readonly { name: string; cluster: Record<string, string | undefined> }[];
  readonly users?: readonly { name: string; user: Record<string, string | undefined> }[];
}

function kubeconfigAccess(path: string): Access {
  const config = parse(readFileSync(path, "utf8")) as Kubeconfig;
  const context = config.contexts?.find((one) => one.name === config["current-context"])?.context;
  const cluster = config.clusters?.find((one) => one.name === context?.cluster)?.cluster;
  const user = config.users?.find((one) => one.name === context?.user)?.user;
  const field = (from: Record<string, string | undefined> | undefined, name: string): string => {
    const inline = from?.[`${name}-data`];
    if (inline !== undefined) return Buffer.from(inline, "base64").toString();
    const file = from?.[name];
    if (file !== undefined) return readFileSync(file, "utf8");
    throw new TriremeError("Invalid", `${path}: its current context has no ${name}`);
  };
  const url = new URL(cluster?.["server"] ?? "");
  return open([`${url.hostname}:${url.port || PORTS.https}`], {
    ca: field(cluster, "certificate-authority"),
    cert: field(user, "client-certificate"),
    key: field(user, "client-key"),
  });
}

function open(servers: readonly string[], tls: { ca: string; cert: string; key: string }): Access {
  return { ca: tls.ca, client: createApiClient({ servers, ...tls, userAgent: "tri" }) };
}
