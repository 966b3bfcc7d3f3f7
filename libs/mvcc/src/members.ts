/** One member of the store's cluster. Whether it votes is not here: Raft's configuration alone says so (B20, B21). */
export interface MemberInfo {
  readonly id: bigint;
  /** "" until the member has started and said it. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** Empty until the member has started. */
  readonly clientUrls: readonly string[];
}

/**
 * Who the members are and where they live. Replicated: changed by applied commands alone, in the same entries that change
 * Raft's configuration.
 *
 * Invariant: an id that was removed never comes back.
 */
export class Members {
  private readonly members = new Map<bigint, MemberInfo>();
  private readonly gone = new Set<bigint>();

  constructor(members: readonly MemberInfo[] = [], removed: readonly bigint[] = []) {
    for (const member of members) this.members.set(member.id, member);
    for (const id of removed) this.gone.add(id);
  }

  get size(): number {
    return this.members.size;
  }

  get(id: bigint): MemberInfo | undefined {
    return this.members.get(id);
  }

  isRemoved(id: bigint): boolean {
    return this.gone.has(id);
  }

  /** All members, by id. */
  list(): MemberInfo[] {
    return [...this.members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Ids that were members once, in order. */
  removed(): bigint[] {
    return [...this.gone].sort((a, b) => (a < b ? -1 : 1));
  }

  /** False when the id is or was a member. */
  add(member: MemberInfo): boolean {
    if (this.members.has(member.id) || this.gone.has(member.id)) return false;
    this.members.set(member.id, member);
    return true;
  }

  /** False when there is no such member. */
  remove(id: bigint): boolean {
    if (!this.members.delete(id)) return false;
    this.gone.add(id);
    return true;
  }

  /** Changes what is known of a member; false when there is no such member. */
  update(id: bigint, change: Partial<Omit<MemberInfo, "id">>): boolean {
    const member = this.members.get(id);
    if (member === undefined) return false;
    this.members.set(id, { ...member, ...change });
    return true;
  }
}
