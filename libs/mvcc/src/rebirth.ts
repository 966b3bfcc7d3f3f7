import { assert, assertSafeInteger } from "@trireme/base";
import { Alarms } from "./alarms.ts";
import { type MemberInfo, Members } from "./members.ts";
import { MvccStore } from "./store.ts";
import { type Version, isTombstone } from "./version.ts";

/**
 * How far the revision jumps when a backup becomes a new cluster. Its clients may hold any revision that the lost cluster
 * gave out after the backup; none of them may come to mean something in the new one. As etcd's documents suggest: ten
 * thousand writes a second for more than a day. A number of revisions.
 */
export const REBIRTH_REVISIONS = 1_000_000_000;

/** What a state begins its new life with. */
export interface Rebirth {
  /** The only member of the new cluster. */
  readonly member: MemberInfo;
  /** The index of the log at which the new cluster begins. */
  readonly appliedIndex: number;
  /** What was true of the lost cluster alone is left behind: prefixes, which end in `/` or `-`, and whole keys. */
  readonly leaveBehind?: readonly string[];
}

/**
 * The newest state of `store` as the beginning of another cluster (etcd's `--bump-revision` and `--mark-compacted`): keys keep
 * their revisions, history is compacted up to a revision that nobody has seen, so that every reader and watcher of the lost
 * cluster is told to start over. Its members are gone for good, and so are alarms, which were of members. Leases stay: who
 * still holds one renews it, and the others end in time.
 */
export function reborn(store: MvccStore, { member, appliedIndex, leaveBehind = [] }: Rebirth): MvccStore {
  const revision = store.revision + REBIRTH_REVISIONS;
  assertSafeInteger(revision, "revision");
  const members = new Members([member], [...store.members.removed(), ...store.members.list().map(({ id }) => id)]);
  assert(!members.isRemoved(member.id), "the new cluster's member is none of the old one's");
  const heads: Version[] = [];
  store.scanHeads("", (key, head) => {
    if (!isTombstone(head) && !leaveBehind.some((pattern) => isOf(key, pattern))) {
      heads.push({ ...head, prev: undefined });
    }
    return true;
  });
  const state = { revision, compactRevision: revision, appliedIndex };
  return MvccStore.fromChains(state, heads, { leases: store.leases.list(), alarms: new Alarms([]), members });
}

function isOf(key: string, pattern: string): boolean {
  return /[/-]$/.test(pattern) ? key.startsWith(pattern) : key === pattern;
}
