import { type Ca, createCa, issue, writeKeyPair, writePrivateFile } from "@trireme/pki";
import { join } from "node:path";
import type { Identity } from "./connection.ts";
import { Member } from "./member.ts";
import type { Network } from "./network.ts";
import { must, until } from "./waiting.ts";

/** Small enough that snapshots are common. */
const FLAGS = ["--snapshot-bytes=1048576", "--trailing-entries=500", "--wal-segment-bytes=4194304"];

/** Three or five members, and whom they get and lose. */
export class Cluster {
  readonly members: Member[] = [];
  readonly network: Network;
  readonly flags: readonly string[];
  private readonly dir: string;
  private readonly authorities: { readonly store: Ca; readonly peer: Ca };
  private readonly operator: Identity;
  private count = 0;

  private constructor(options: {
    network: Network;
    dir: string;
    flags: readonly string[];
    authorities: { store: Ca; peer: Ca };
    operator: Identity;
  }) {
    this.network = options.network;
    this.dir = options.dir;
    this.flags = options.flags;
    this.authorities = options.authorities;
    this.operator = options.operator;
  }

  /** Founds a cluster of so many members in a folder of its own; resolves when it leads and answers. */
  static async found(network: Network, dir: string, size: number, flags: readonly string[] = FLAGS): Promise<Cluster> {
    const authorities = { store: await createCa("store CA"), peer: await createCa("peer CA") };
    const pair = await issue({ ca: authorities.store, cn: "operator", o: "trireme:operators", client: true });
    const operator = { ca: authorities.store.cert, ...pair };
    const cluster = new Cluster({ network, dir, flags, authorities, operator });
    for (let i = 0; i < size; i++) cluster.members.push(await cluster.prepare("new"));
    const hosts = cluster.members.map(({ host }) => host);
    for (const member of cluster.members) {
      member.birth = { state: "new", others: hosts.filter((host) => host !== member.host) };
      member.start();
    }
    await cluster.leader();
    return cluster;
  }

  /** A machine and keys for one more member, which is not started and whom no client knows. */
  async prepare(state: "new" | "existing"): Promise<Member> {
    const name = `server${++this.count}`;
    const host = this.network.addHost(name);
    const dir = join(this.dir, name);
    const others = this.members.map((member) => member.host);
    const { flags, operator: identity } = this;
    const member = new Member({ host, dir, birth: { state, others }, flags, identity });
    const { store, peer } = this.authorities;
    const pki = join(dir, "pki");
    const sans = [host.address, "127.0.0.1", "localhost"];
    writePrivateFile(join(pki, "store-ca.crt"), store.cert);
    writePrivateFile(join(pki, "peer-ca.crt"), peer.cert);
    writeKeyPair(pki, "store-server", await issue({ ca: store, cn: name, sans, server: true }));
    const both = { server: true, client: true };
    writeKeyPair(pki, "peer", await issue({ ca: peer, cn: name, sans: [host.address, name], ...both }));
    return member;
  }

  others(...members: readonly Member[]): Member[] {
    return this.members.filter((member) => !members.includes(member));
  }

  hostsBut(...members: readonly Member[]): Member["host"][] {
    return this.others(...members).map(({ host }) => host);
  }

  /** The leader that most of `among` see, once it answers a linearizable read. */
  leader(among: readonly Member[] = this.members, patienceMs?: number): Promise<Member> {
    const look = async (): Promise<Member | undefined> => {
      const seen = await Promise.all(
        among.map(async (member) => ({ member, status: await member.connection.status().catch(() => undefined) })),
      );
      const leading = seen.find(({ status }) => status !== undefined && status.leader === status.header?.memberId);
      if (leading?.status === undefined) return undefined;
      const agree = seen.filter(({ status }) => status?.leader === leading.status?.leader);
      if (agree.length < Math.min(2, among.length)) return undefined;
      await leading.member.connection.range("nothing", { timeoutMs: 1000 });
      return leading.member;
    };
    return until("a leader", look, patienceMs);
  }

  /** Where everybody is, for who looks for what went wrong. */
  async describe(): Promise<string> {
    const lines = this.members.map(async ({ name, connection }) => {
      try {
        const { leader, raftTerm, raftIndex, raftAppliedIndex, errors } = await connection.status();
        return `${name}: leader ${leader.toString(16)}, term ${raftTerm}, commit ${raftIndex}, applied ${raftAppliedIndex} ${errors}`;
      } catch (error) {
        return `${name}: ${(error as Error).message}`;
      }
    });
    return (await Promise.all(lines)).join("; ");
  }

  async idOf(member: Member): Promise<bigint> {
    const { members } = await this.through(member).connection.members();
    const found = members.find(({ peerURLs }) => peerURLs.includes(member.peerUrl));
    must(found !== undefined, `${member.name} is a member`);
    return found.ID;
  }

  /** Somebody else who runs, to ask. */
  private through(member: Member): Member {
    const other = this.others(member).find(({ isUp }) => isUp);
    must(other !== undefined, "another member runs");
    return other;
  }

  /** Gives the office to a member. */
  async makeLead(member: Member): Promise<void> {
    await until(`${member.name} to lead`, async () => {
      const leader = await this.leader();
      if (leader === member) return true;
      const { header } = await member.connection.status();
      await leader.connection.moveLeader(header?.memberId ?? 0n);
      return (await this.leader()) === member;
    });
  }

  /** Takes a member's place away: its id is never used again. */
  async removeMember(member: Member): Promise<void> {
    // Whoever is asked may be starting.
    const id = await until(`${member.name} to be known`, () => this.idOf(member));
    await until(`${member.name} to be removed`, async () => {
      const { connection } = this.through(member);
      const { members } = await connection.members();
      if (members.every(({ ID }) => ID !== id)) return true;
      await connection.removeMember(id);
      return true;
    });
  }

  /** Lets a machine that has no place (or lost it, with its disk) become a member: learner, snapshot, voter. */
  async join(member: Member): Promise<void> {
    member.wipe();
    member.birth = { state: "existing", others: this.hostsBut(member) };
    await until(`${member.name} to be added`, async () => {
      const { connection } = this.through(member);
      const { members } = await connection.members();
      if (members.some(({ peerURLs }) => peerURLs.includes(member.peerUrl))) return true;
      await connection.addMember(member.peerUrl, true);
      return true;
    });
    member.start();
    await this.promote(member);
  }

  async promote(member: Member): Promise<void> {
    await until(`${member.name} to be promoted`, async () => {
      const { connection } = this.through(member);
      const { members } = await connection.members();
      const found = members.find(({ peerURLs }) => peerURLs.includes(member.peerUrl));
      if (found?.isLearner === false) return true;
      await connection.promoteMember(found?.ID ?? 0n);
      return true;
    });
  }

  async stop(): Promise<void> {
    for (const member of this.members) {
      member.connection.close();
      if (member.isUp) await member.kill();
    }
  }
}
