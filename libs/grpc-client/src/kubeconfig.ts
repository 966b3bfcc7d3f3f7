import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { TriremeError } from "@trireme/base";
import { parse } from "yaml";
import type { Identity } from "./credentials.ts";

/** What a kubeconfig says about its current context. */
export type KubeconfigAccess = Identity & {
  readonly ca: Buffer;
  /** Of the REST door, without its port. */
  readonly host: string;
  /** Of the REST door. */
  readonly port: number;
  readonly namespace: string;
};

type Section = Readonly<Record<string, string>>;
interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly { readonly name: string; readonly context: Section }[];
  readonly clusters?: readonly { readonly name: string; readonly cluster: Section }[];
  readonly users?: readonly { readonly name: string; readonly user: Section }[];
}

/** Reads the current context of a kubeconfig: certificates and tokens inside it, or in files that it names. */
export function readKubeconfig(path: string): KubeconfigAccess {
  const config = parse(readFileSync(path, "utf8")) as Kubeconfig;
  const wrong = (what: string): TriremeError => new TriremeError("BadRequest", `${path}: ${what}`);
  const context = config.contexts?.find((one) => one.name === config["current-context"])?.context;
  if (context === undefined) throw wrong(`no context "${config["current-context"] ?? ""}" (current-context)`);
  const cluster = config.clusters?.find((one) => one.name === context["cluster"])?.cluster;
  const user = config.users?.find((one) => one.name === context["user"])?.user;
  if (cluster === undefined) throw wrong(`no cluster "${context["cluster"]}"`);
  if (user === undefined) throw wrong(`no user "${context["user"]}"`);
  const bytes = (section: Section, name: string): Buffer | undefined => {
    const inside = section[`${name}-data`];
    if (inside !== undefined) return Buffer.from(inside, "base64");
    const file = section[name];
    return file === undefined ? undefined : readFileSync(resolve(dirname(path), file));
  };
  const ca = bytes(cluster, "certificate-authority");
  if (ca === undefined) throw wrong("the cluster names no certificate-authority");
  const server = new URL(cluster["server"] ?? "");
  const place = {
    ca,
    host: server.hostname,
    port: Number(server.port === "" ? 443 : server.port),
    namespace: context["namespace"] ?? "default",
  };
  const cert = bytes(user, "client-certificate");
  const key = bytes(user, "client-key");
  if (cert !== undefined && key !== undefined) return { ...place, cert, key };
  const tokenFile = user["tokenFile"];
  const token =
    tokenFile === undefined ? user["token"] : readFileSync(resolve(dirname(path), tokenFile), "utf8").trim();
  if (token === undefined) throw wrong("the user has neither a client certificate nor a token");
  return { ...place, token };
}
