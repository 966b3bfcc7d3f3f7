import { createHash } from "node:crypto";
import { TriremeError, assert } from "@trireme/base";
import type { MemberInfo, MvccStore } from "@trireme/mvcc";

/** Whose member this is, and who the others are as far as this member knows. */
export class Cluster {
  readonly id: bigint;
  /** This member's id. */
  readonly self: bigint;
  /** This member's name, as its certificate says it. */
  readonly name: string;
  /** The URLs at which the other members call this one. */
  readonly peerUrls: readonly string[];
  private readonly store: MvccStore;
  /**
   * Peers that the state does not know, because it is older than they are: whom a joiner was told of, and who introduced
   * itself with a certificate of the peers' authority. A member that is behind must hear them to catch up.
   */
  private readonly strangers = new Map<bigint, MemberInfo>();

  constructor(options: {
    readonly id: bigint;
    readonly self: bigint;
    readonly name: string;
    readonly peerUrls: readonly string[];
    readonly store: MvccStore;
    readonly told?: readonly MemberInfo[];
  }) {
    this.id = options.id;
    this.self = options.self;
    this.name = options.name;
    this.peerUrls = options.peerUrls;
    this.store = options.store;
    for (const member of options.told ?? []) this.introduce(member);
  }

  /** All members that the state knows, by id. */
  members(): readonly MemberInfo[] {
    return this.store.members.list();
  }

  /** Everyone to talk to: members, and peers that the state does not know yet. */
  peers(): readonly MemberInfo[] {
    const strangers = [...this.strangers.values()].filter(({ id }) => !this.isKnown(id));
    return [...this.members(), ...strangers].filter(({ id }) => id !== this.self);
  }

  /** A member, or a peer that the state does not know yet. */
  peer(id: bigint): MemberInfo | undefined {
    return this.store.members.get(id) ?? (this.isRemoved(id) ? undefined : this.strangers.get(id));
  }

  /** Takes note of a peer that the state does not know. */
  introduce(peer: MemberInfo): void {
    if (peer.id === this.self || this.isKnown(peer.id)) return;
    for (const id of this.strangers.keys()) if (this.isKnown(id)) this.strangers.delete(id);
    const [oldest] = this.strangers.keys();
    if (oldest !== undefined && this.strangers.size >= MAX_STRANGERS) this.strangers.delete(oldest);
    this.strangers.set(peer.id, peer);
  }

  isRemoved(id: bigint): boolean {
    return this.store.members.isRemoved(id);
  }

  private isKnown(id: bigint): boolean {
    return this.store.members.get(id) !== undefined || this.isRemoved(id);
  }
}

/** As many peers may be unknown at a time: more members than a cluster sensibly has. */
const MAX_STRANGERS = 16;

/** A cluster at its birth. */
export interface Founding {
  readonly clusterId: bigint;
  readonly self: bigint;
  readonly members: readonly MemberInfo[];
}

/**
 * Derives a new cluster from its description: ids are hashes of token, names and addresses, so that every founder computes
 * the same without asking anyone, and a cluster made anew under another token is another cluster.
 */
export function foundCluster(options: {
  readonly name: string;
  readonly token: string;
  readonly initialCluster: ReadonlyMap<string, string>;
}): Founding {
  const sorted = [...options.initialCluster].sort(([a], [b]) => (a < b ? -1 : 1));
  const members = sorted.map(([name, address]): MemberInfo => {
    splitHostPort(address);
    const id = hashId("member", options.token, name, address);
    return { id, name, peerUrls: [`https://${address}`], clientUrls: [] };
  });
  assert(new Set(members.map(({ id }) => id)).size === members.length, "member ids are distinct");
  const self = members.find((member) => member.name === options.name);
  if (self === undefined) {
    const names = [...options.initialCluster.keys()].join(", ");
    throw new TriremeError("BadRequest", `--name=${options.name} is not in --initial-cluster, which has ${names}`);
  }
  const clusterId = hashId("cluster", options.token, ...sorted.map(([name, address]) => `${name}=${address}`));
  return { clusterId, self: self.id, members };
}

/** The id of a member that is added: unlike any other, also of one with the same addresses earlier. */
export function newMemberId(clusterId: bigint, peerUrls: readonly string[], nonce: string): bigint {
  return hashId("added", String(clusterId), ...peerUrls, nonce);
}

/** Where a member's other members call: HOST:PORT of its first peer URL. */
export function peerAddressOf(member: MemberInfo): string {
  const [url] = member.peerUrls;
  assert(url !== undefined, "a member has a peer address");
  return url.replace(/^https:\/\//, "");
}

/** Ids as etcd writes them. */
export function hex(id: bigint): string {
  return id.toString(16);
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
