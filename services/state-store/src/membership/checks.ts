import type { MemberInfo } from "@trireme/mvcc";
import type { ConfState } from "@trireme/raft";
import { FAILURE } from "../replica/failures.ts";

/** Learners at a time: each costs the leader a stream and takes no part in the quorum. As etcd. */
const MAX_LEARNERS = 1;

/** A learner that holds this share of the leader's log is ready to vote: less, and the new quorum would wait for it. */
const READY_SHARE = 0.9;

/** What a leader knows when somebody wants to change the membership. */
export interface MembershipView {
  readonly self: bigint;
  readonly conf: ConfState;
  readonly members: readonly MemberInfo[];
  /** Whether the member has been connected for so long that it counts as well. */
  isHealthy(id: bigint): boolean;
  /** Whether there is a connection at all. */
  isConnected(id: bigint): boolean;
  /** The highest index that the member holds. */
  matchOf(id: bigint): number;
  readonly lastIndex: number;
}

/*
 * etcd's rules (server/etcdserver, "strict reconfig check"): no change may leave a quorum that the started and connected
 * members cannot form. They throw etcd's errors.
 */

/** Throws unless a member at these addresses may be added now. */
export function checkAdd(view: MembershipView, peerUrls: readonly string[], isLearner: boolean): void {
  checkUrls(view, peerUrls, undefined);
  if (isLearner && view.conf.learners.length >= MAX_LEARNERS) throw FAILURE.tooManyLearners();
  if (!isLearner) {
    const voters = votersOf(view);
    const started = voters.filter(isStarted).length;
    const total = voters.length + 1;
    // The second member of two may be added while it does not run: so a single survivor gets its cluster back.
    const revival = started === 1 && total === 2;
    if (!revival && started < majority(total)) throw FAILURE.notEnoughStarted();
  }
  // A learner changes no quorum: it may come while a voter is new. etcd waits for both.
  const isWell = (id: bigint): boolean => (isLearner ? view.isConnected(id) : view.isHealthy(id));
  if (!votersOf(view).every(({ id }) => id === view.self || isWell(id))) throw FAILURE.unhealthy();
}

/** Throws unless the member may be removed now. */
export function checkRemove(view: MembershipView, id: bigint): void {
  const member = view.members.find((each) => each.id === id);
  if (member === undefined) throw FAILURE.memberNotFound();
  if (view.conf.learners.includes(id)) return;
  const voters = votersOf(view);
  const rest = voters.filter((each) => each.id !== id);
  const started = rest.filter(isStarted).length;
  if (rest.length === 0 || started < majority(rest.length)) throw FAILURE.notEnoughStarted();
  // One that is down is no part of the active quorum.
  if (id !== view.self && !view.isConnected(id)) return;
  const active = voters.filter((each) => each.id === view.self || view.isHealthy(each.id)).length;
  if (active - 1 < 1 + Math.floor((voters.length - 1) / 2)) throw FAILURE.unhealthy();
}

/** Throws unless the learner may become a voter now. */
export function checkPromote(view: MembershipView, id: bigint): void {
  if (!view.members.some((each) => each.id === id)) throw FAILURE.memberNotFound();
  if (!view.conf.learners.includes(id)) throw FAILURE.memberNotLearner();
  if (!view.isConnected(id) || view.matchOf(id) < READY_SHARE * view.lastIndex) throw FAILURE.learnerNotReady();
  const voters = votersOf(view);
  if (voters.filter(isStarted).length + 1 < majority(voters.length + 1)) throw FAILURE.notEnoughStarted();
}

/** Throws unless the member may have these addresses. */
export function checkUpdate(view: MembershipView, id: bigint, peerUrls: readonly string[]): void {
  if (!view.members.some((each) => each.id === id)) throw FAILURE.memberNotFound();
  checkUrls(view, peerUrls, id);
}

/** Addresses are https, HOST:PORT and nothing behind, and each belongs to one member. */
function checkUrls(view: MembershipView, peerUrls: readonly string[], own: bigint | undefined): void {
  const valid = peerUrls.every((url) => /^https:\/\/([^/:?#@[\]\s]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/.test(url));
  if (peerUrls.length === 0 || !valid) throw FAILURE.badMemberUrls();
  const taken = view.members.filter(({ id }) => id !== own).flatMap((member) => member.peerUrls);
  if (peerUrls.some((url) => taken.includes(url))) throw FAILURE.peerUrlExists();
}

function votersOf(view: MembershipView): MemberInfo[] {
  return view.members.filter(({ id }) => view.conf.voters.includes(id));
}

function isStarted(member: MemberInfo): boolean {
  return member.name !== "";
}

function majority(members: number): number {
  return Math.floor(members / 2) + 1;
}
