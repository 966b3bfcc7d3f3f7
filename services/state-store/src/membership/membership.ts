import { randomUUID } from "node:crypto";
import { type Clock, errorFrom, sleep } from "@trireme/base";
import type { MemberInfo } from "@trireme/mvcc";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { ConfOperation } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import type { Request } from "../apply/command.ts";
import { type Cluster, newMemberId } from "../cluster.ts";
import { fromMemberInfo } from "../grpc/convert.ts";
import type { Answer, Question } from "../peers/ask.ts";
import type { PeerTransport } from "../peers/transport.ts";
import { FAILURE } from "../replica/failures.ts";
import type { Replica } from "../replica/replica.ts";
import { type MembershipView, checkAdd, checkPromote, checkRemove, checkUpdate } from "./checks.ts";

/** A member counts as healthy when it has been connected for this many election timeouts, 3 s by default. etcd takes 5 s. */
const HEALTHY_ELECTIONS = 3;

/** While another change is in the log, or nobody leads, the request is tried again after this time. */
const RETRY_MS = 50;
const REQUEST_TIMEOUT_MS = 7000;

export type MembershipQuestion = Extract<
  Question,
  { $case: "memberAdd" | "memberRemove" | "memberUpdate" | "memberPromote" }
>;
export type MembershipAnswer = Extract<
  Answer,
  { $case: "memberAdd" | "memberRemove" | "memberUpdate" | "memberPromote" }
>;

export interface MembershipOptions {
  readonly cluster: Cluster;
  readonly replica: Replica;
  readonly transport: PeerTransport;
  readonly electionMs: number;
  /** Where clients call this member; published when it has started. */
  readonly clientUrl: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the leader is to do, and what it has to check at that very moment. */
interface Change {
  check(view: MembershipView): void;
  /** Absent: names and addresses alone change, Raft's configuration stays. */
  readonly operation?: ConfOperation;
  readonly request: Request;
}

/**
 * Changes of the membership. Only the leader decides: it knows who is connected and how far each one is. Between its check
 * and the entry in its log lies no other change, because Raft takes one at a time.
 */
export class Membership {
  private readonly options: MembershipOptions;
  private stopped = false;

  constructor(options: MembershipOptions) {
    this.options = options;
  }

  stop(): void {
    this.stopped = true;
  }

  /** All members as etcd's API shows them. */
  list(): rpc.Member[] {
    const { cluster, replica } = this.options;
    const { learners } = replica.status().conf;
    return cluster.members().map((member) => fromMemberInfo(member, learners.includes(member.id)));
  }

  /** Carries the request out wherever the leader is. */
  async change(question: MembershipQuestion): Promise<MembershipAnswer> {
    const { clock, cluster, replica, transport } = this.options;
    const deadline = clock.monotonic() + REQUEST_TIMEOUT_MS;
    for (;;) {
      const leader = replica.currentLeader;
      try {
        if (leader === cluster.self) return await this.changeHere(question);
        if (leader !== 0n) {
          const answer = await transport.ask(leader, question, deadline - clock.monotonic());
          return answer as MembershipAnswer;
        }
      } catch (thrown) {
        const error = errorFrom(thrown);
        // "not leader" alone says that nothing happened; after a timeout something may have.
        if (error.code !== "NotLeader") throw error;
      }
      if (clock.monotonic() + RETRY_MS > deadline) throw leader === 0n ? FAILURE.noLeader() : FAILURE.readTimeout();
      await sleep(RETRY_MS);
    }
  }

  /** On the leader alone; throws "not leader". */
  async changeHere(question: MembershipQuestion): Promise<MembershipAnswer> {
    const header = undefined;
    switch (question.$case) {
      case "memberAdd": {
        const { peerURLs, isLearner } = question.value;
        const { cluster } = this.options;
        const id = newMemberId(cluster.id, peerURLs, randomUUID());
        const member: MemberInfo = { id, name: "", peerUrls: peerURLs, clientUrls: [] };
        const wire = fromMemberInfo(member, isLearner);
        await this.run({
          check: (view) => checkAdd(view, peerURLs, isLearner),
          operation: { op: isLearner ? "addLearner" : "addVoter", id },
          request: { $case: "memberAdd", value: { member: wire } },
        });
        return { $case: "memberAdd", value: { header, member: wire, members: this.list() } };
      }
      case "memberRemove": {
        const id = question.value.ID;
        await this.handOverBeforeLeaving(id);
        await this.run({
          check: (view) => checkRemove(view, id),
          operation: { op: "remove", id },
          request: { $case: "memberRemove", value: { id } },
        });
        return { $case: "memberRemove", value: { header, members: this.list() } };
      }
      case "memberPromote": {
        const id = question.value.ID;
        await this.run({
          check: (view) => checkPromote(view, id),
          operation: { op: "addVoter", id },
          request: { $case: "memberUpdate", value: { id, name: "", peerUrls: [], clientUrls: [] } },
        });
        return { $case: "memberPromote", value: { header, members: this.list() } };
      }
      case "memberUpdate": {
        const { ID: id, peerURLs: peerUrls } = question.value;
        await this.run({
          check: (view) => checkUpdate(view, id, peerUrls),
          request: { $case: "memberUpdate", value: { id, name: "", peerUrls, clientUrls: [] } },
        });
        return { $case: "memberUpdate", value: { header, members: this.list() } };
      }
    }
  }

  /** Says in the log under which name and address this member has started, until it is there. Resolves then. */
  async publish(): Promise<void> {
    const { cluster, replica, clientUrl, electionMs, log } = this.options;
    while (!this.stopped) {
      const known = replica.store.members.get(cluster.self);
      if (known?.name === cluster.name && known.clientUrls.length === 1 && known.clientUrls[0] === clientUrl) return;
      if (known !== undefined && replica.currentLeader !== 0n) {
        const value = { id: cluster.self, name: cluster.name, peerUrls: [], clientUrls: [clientUrl] };
        try {
          await replica.propose({ $case: "memberUpdate", value });
          continue;
        } catch (error) {
          log.debug("not published yet", { err: errorFrom(error) });
        }
      }
      await sleep(electionMs / 4);
    }
  }

  private async run(change: Change): Promise<void> {
    const { clock, log, replica } = this.options;
    const deadline = clock.monotonic() + REQUEST_TIMEOUT_MS;
    for (;;) {
      // Everything committed before this request is applied: the check sees what was acknowledged.
      await replica.readBarrier();
      if (replica.currentLeader !== this.options.cluster.self) throw FAILURE.notLeader();
      change.check(this.view());
      const { operation, request } = change;
      const result =
        operation === undefined ? await replica.propose(request) : await replica.changeMembers(operation, request);
      if (result === "notLeader") throw FAILURE.notLeader();
      if (result !== "pending" && result !== "invalid") {
        if (result.error !== undefined) throw result.error;
        log.info("membership changed", { change: request.$case });
        return;
      }
      if (clock.monotonic() + RETRY_MS > deadline) throw FAILURE.readTimeout();
      await sleep(RETRY_MS);
    }
  }

  /** A leader that is to be removed hands over first, so that nobody has to wait for an election. */
  private async handOverBeforeLeaving(id: bigint): Promise<void> {
    const { cluster, replica } = this.options;
    if (id !== cluster.self) return;
    await replica.readBarrier();
    checkRemove(this.view(), id);
    await replica.resign();
    if (replica.currentLeader !== cluster.self) throw FAILURE.notLeader();
  }

  private view(): MembershipView {
    const { cluster, electionMs, replica, transport } = this.options;
    const { conf, progress, lastIndex } = replica.status();
    return {
      self: cluster.self,
      conf,
      members: replica.store.members.list(),
      lastIndex,
      isConnected: (id) => transport.reaches(id),
      isHealthy: (id) => (transport.connectedMs(id) ?? 0) >= HEALTHY_ELECTIONS * electionMs,
      matchOf: (id) => progress.get(id)?.match ?? 0,
    };
  }
}
