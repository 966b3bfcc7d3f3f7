import { createHash } from "node:crypto";
import { TriremeError, assert } from "@trireme/base";

/** One replica of the store. */
export interface Member {
  readonly id: bigint;
  readonly name: string;
  /** host:port of the peer address. */
  readonly peerAddress: string;
  /** host:port where clients call. */
  readonly clientAddress: string;
}

/** Who the members are. Fixed at first boot. */
export interface Cluster {
  readonly id: bigint;
  readonly self: Member;
  /** All members, this one included, by id. */
  readonly members: ReadonlyMap<bigint, Member>;
}

/** Clients call every member on the same port of its peer address's host. */
const CLIENT_PORT_OFFSET = -1;

/**
 * Derives the cluster from its first-boot description: ids are hashes of token, names and addresses, so that every
 * member computes the same without asking anyone, and a cluster made anew under another token is another cluster.
 */
export function deriveCluster(options: {
  readonly name: string;
  readonly token: string;
  readonly initialCluster: ReadonlyMap<string, string>;
  readonly clientPort?: number;
}): Cluster {
  const members = new Map<bigint, Member>();
  for (const [name, peerAddress] of [...options.initialCluster].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [host, port] = splitHostPort(peerAddress);
    const id = hashId("member", options.token, name, peerAddress);
    assert(!members.has(id), "member ids are distinct");
    const clientPort = options.clientPort ?? port + CLIENT_PORT_OFFSET;
    members.set(id, { id, name, peerAddress, clientAddress: `${host}:${clientPort}` });
  }
  const self = [...members.values()].find((member) => member.name === options.name);
  if (self === undefined) {
    const names = [...options.initialCluster.keys()].join(", ");
    throw new TriremeError("BadRequest", `--name=${options.name} is not in --initial-cluster, which has ${names}`);
  }
  const id = hashId(
    "cluster",
    options.token,
    ...[...members.values()].map((member) => `${member.name}=${member.peerAddress}`),
  );
  return { id, self, members };
}

/** `host:port` in two. */
export function splitHostPort(address: string): [string, number] {
  const at = address.lastIndexOf(":");
  const port = Number(address.slice(at + 1));
  if (at <= 0 || !Number.isInteger(port)) throw new TriremeError("BadRequest", `"${address}" must be HOST:PORT`);
  return [address.slice(0, at), port];
}

/** A uint64 that is never 0. */
function hashId(...parts: readonly string[]): bigint {
  const digest = createHash("sha256").update(parts.join("\0")).digest();
  return digest.readBigUInt64BE(0) || 1n;
}
