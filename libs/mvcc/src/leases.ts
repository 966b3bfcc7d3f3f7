import { assert } from "@trireme/base";

/** etcd's longest lease: its clients multiply by nanoseconds and must not overflow. Seconds. */
export const MAX_LEASE_TTL_SECONDS = 9_000_000_000;

/** One lease as all replicas know it. When it ends is not part of it: only the leader counts time. */
export interface Lease {
  readonly id: bigint;
  /** Granted time to live, seconds. */
  readonly ttl: number;
  /** Seconds that were left at the last checkpoint; absent: renewed since, so the next leader gives its whole time. */
  readonly remaining?: number;
}

/**
 * The leases and the keys attached to each. Replicated: changed by applied commands alone.
 *
 * Invariant: a key is attached to a lease exactly while its newest version is live and names that lease, so that the
 * attachments need no place of their own in a snapshot.
 */
export class Leases {
  private readonly leases = new Map<bigint, Lease>();
  private readonly attached = new Map<bigint, Set<string>>();

  get size(): number {
    return this.leases.size;
  }

  has(id: bigint): boolean {
    return this.leases.has(id);
  }

  get(id: bigint): Lease | undefined {
    return this.leases.get(id);
  }

  /** All leases, by id: the same order on every replica. */
  list(): Lease[] {
    return [...this.leases.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** The keys attached to a lease, in byte order. */
  keysOf(id: bigint): string[] {
    return [...(this.attached.get(id) ?? [])].sort();
  }

  grant(lease: Lease): void {
    assert(lease.id !== 0n && !this.leases.has(lease.id), "a lease is granted once");
    this.leases.set(lease.id, lease);
  }

  /** Notes what is left of a lease; 0 forgets it again. A lease that has ended meanwhile stays ended. */
  checkpoint(id: bigint, remaining: number): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    const { ttl } = lease;
    this.leases.set(id, remaining > 0 && remaining < ttl ? { id, ttl, remaining } : { id, ttl });
  }

  /** Forgets a lease; its keys have been deleted before. */
  forget(id: bigint): void {
    assert((this.attached.get(id)?.size ?? 0) === 0, "a lease goes after its keys");
    this.leases.delete(id);
    this.attached.delete(id);
  }

  /** A key's newest version names `to` where it named `from`; 0 is none. */
  move(key: string, from: bigint, to: bigint): void {
    if (from === to) return;
    if (from !== 0n) this.attached.get(from)?.delete(key);
    if (to === 0n) return;
    assert(this.leases.has(to), "a key is attached to a lease that exists");
    const keys = this.attached.get(to);
    if (keys === undefined) this.attached.set(to, new Set([key]));
    else keys.add(key);
  }
}
