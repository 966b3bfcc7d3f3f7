import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type KeyPair, caFromPem, issue } from "@trireme/pki";
import type { Host } from "./machines.ts";

/** Where a server in a container keeps what all servers hold. */
const SHARED = "/var/lib/trireme/host/pki/shared";

/** Who looks on from outside: an administrator of the API and an operator of the store. */
export interface Access {
  readonly ca: string;
  readonly admin: KeyPair;
  /** Files for etcdctl. */
  readonly operator: { readonly cacert: string; readonly cert: string; readonly key: string };
  /** A kubeconfig; its server is given with each command. */
  readonly kubeconfig: string;
}

/** Issues both from the cluster's own authorities, as its owner could, into files below `dir`. */
export async function openAccess(server: Host, dir: string): Promise<Access> {
  const read = (name: string): Promise<string> => server.exec("cat", `${SHARED}/${name}`);
  const authority = async (name: string) => caFromPem(await read(`${name}.crt`), await read(`${name}.key`));
  const [ca, storeCa] = await Promise.all([authority("ca"), authority("store-ca")]);
  const admin = await issue({ ca, cn: "chaos", o: "system:masters", client: true });
  const pair = await issue({ ca: storeCa, cn: "chaos", o: "trireme:operators", client: true });
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const operator = {
    cacert: file("store-ca.crt", storeCa.cert),
    cert: file("operator.crt", pair.cert),
    key: file("operator.key", pair.key),
  };
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const kubeconfig = file(
    "kubeconfig",
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "chaos",
          cluster: { server: `https://${server.address}:6443`, "certificate-authority-data": base64(ca.cert) },
        },
      ],
      users: [
        {
          name: "chaos",
          user: { "client-certificate-data": base64(admin.cert), "client-key-data": base64(admin.key) },
        },
      ],
      contexts: [{ name: "chaos", context: { cluster: "chaos", user: "chaos" } }],
      "current-context": "chaos",
    }),
  );
  return { ca: ca.cert, admin, operator, kubeconfig };
}
