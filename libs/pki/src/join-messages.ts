/** What machines and servers say to each other at a join, as JSON. Absent fields are unknown to an older side. */

/** Where the cluster's CA certificate is had by anybody, PEM: its hash is in the token. */
export const CA_PATH = "/trireme/v1/ca";
/** Where a machine with a token becomes one of the cluster. */
export const JOIN_PATH = "/trireme/v1/join";
/** Where a node gets new certificates and credentials, by its own certificate. */
export const RENEW_PATH = "/trireme/v1/renew";

/** What a machine can be. */
export type HostRole = "server" | "node";

/** What a node wants signed: requests (PKCS #10, PEM) and public keys (nkeys, `U...`), by the name of the file. */
export interface IdentityRequests {
  readonly certificates: Readonly<Record<string, string>>;
  readonly bus: Readonly<Record<string, string>>;
}

/** A machine's question to join. */
export interface JoinRequest extends IdentityRequests {
  /** `<id>.<secret>` of the token. */
  readonly token: string;
  readonly role: HostRole;
  readonly name: string;
  readonly address: string;
  /** A certificate request signed with the host key: it proves which machine this is. Its CN is the name. */
  readonly host: string;
  /** The server, dead, in whose place this one comes: it may have the same address. */
  readonly replace?: string;
}

/** One server, as others reach it. */
export interface ServerAddress {
  readonly name: string;
  readonly address: string;
}

/** What every machine of a cluster is told. */
export interface ClusterFacts {
  readonly cluster: string;
  readonly servers: readonly ServerAddress[];
  readonly serviceCidr: string;
  readonly podCidr: string;
  readonly nodePortRange: string;
}

/** Signed: certificates (PEM) and the bus' claims (JWT), by the name of the file. */
export interface SignedIdentities {
  readonly certificates: Readonly<Record<string, string>>;
  readonly bus: Readonly<Record<string, string>>;
}

/** The answer to a join: what was signed for a node, the shared folder for a server. */
export interface JoinAnswer extends ClusterFacts, SignedIdentities {
  /** Files by name, base64; for a server alone. */
  readonly shared?: Readonly<Record<string, string>>;
}

/** The annotation-free name of the object that records a machine: ConfigMap `trireme-host-<name>` in kube-system. */
export function hostRecordName(host: string): string {
  return `trireme-host-${host}`;
}

/** The name of a token's Secret in kube-system, as Kubernetes has it. */
export function tokenSecretName(id: string): string {
  return `bootstrap-token-${id}`;
}

/** The type of a token's Secret. */
export const TOKEN_SECRET_TYPE = "bootstrap.kubernetes.io/token";

/** The label by which records of machines are found; its value is the role. */
export const HOST_LABEL = "trireme.io/host";

/** What a token's Secret holds; every value is text. */
export interface TokenData {
  readonly "token-id": string;
  /** {@link joinSecretHash} of the secret. */
  readonly "token-secret-hash": string;
  /** RFC 3339. */
  readonly expiration: string;
  readonly "usage-trireme-join": HostRole;
  /** Host id of the one machine that it has admitted. */
  readonly "used-by-host"?: string;
  readonly "used-by-name"?: string;
  /** Why it admits nobody any more, not even the machine that used it. */
  readonly spent?: string;
}

/** What a machine's record holds; every value is text. */
export interface HostData {
  readonly role: HostRole;
  readonly address: string;
  /** {@link hostIdOf} its host key. */
  readonly hostId: string;
  readonly joined: string;
}
