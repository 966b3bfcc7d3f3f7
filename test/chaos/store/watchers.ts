import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import { Event_EventType } from "@trireme/proto/mvccpb/kv";
import type { Change } from "./history.ts";
import type { Member } from "./member.ts";
import { must, sleep } from "./waiting.ts";

/** The end of the range of keys that begin with `prefix`. */
export function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}

export function watchRequest(prefix: string, from: number, options: { prevKv?: boolean } = {}): rpc.WatchRequest {
  const value = rpc.WatchCreateRequest.fromPartial({
    key: Buffer.from(prefix),
    rangeEnd: endOf(prefix),
    startRevision: BigInt(from),
    progressNotify: true,
    prevKv: options.prevKv ?? false,
  });
  return { requestUnion: { $case: "createRequest", value } };
}

export function changesOf({ events }: rpc.WatchResponse): Change[] {
  return events.map(({ type, kv }) => ({
    revision: Number(kv?.modRevision),
    key: kv?.key.toString() ?? "",
    value: type === Event_EventType.DELETE ? undefined : kv?.value.toString(),
  }));
}

/** What a watcher was told, in order. `upTo`: everything to this revision has been told. */
type Told = { readonly changes: readonly Change[]; readonly at: number } | { readonly upTo: number };

/**
 * A watcher that comes back for ever, at its member or (without one) at any, from where it was. What it is told is judged
 * at the end, when the whole history is known.
 */
export class Watcher {
  readonly told: Told[] = [];
  readonly name: string;
  private readonly prefix: string;
  private readonly from: number;
  private readonly members: () => readonly Member[];
  private seen: number;
  private stopped = false;
  private end: () => void = () => undefined;
  private readonly running: Promise<void>;
  resumed = 0;
  /** Was told that its history is gone. */
  compacted = 0;

  constructor(options: { name: string; prefix: string; from: number; members: () => readonly Member[] }) {
    this.name = options.name;
    this.prefix = options.prefix;
    this.from = options.from;
    this.seen = options.from - 1;
    this.members = options.members;
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.end();
    await this.running;
  }

  /** Everything up to here has been told. */
  get revision(): number {
    return this.seen;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const members = this.members();
      const member = members[Math.floor(Math.random() * members.length)];
      // One that stays is sent away only by its member; the other wanders.
      if (member !== undefined) await this.follow(member, members.length > 1 ? 500 + Math.random() * 1500 : undefined);
      if (!this.stopped) await sleep(50);
    }
  }

  private async follow(member: Member, ms: number | undefined): Promise<void> {
    const stream = member.connection.watch.watch();
    let timer: NodeJS.Timeout | undefined;
    let open = true;
    if (this.seen >= this.from) this.resumed += 1;
    await new Promise<void>((resolve) => {
      this.end = resolve;
      stream.on("data", (response: rpc.WatchResponse) => {
        if (open && !this.take(response)) resolve();
      });
      stream.on("error", () => resolve());
      stream.on("end", () => resolve());
      stream.write(watchRequest(this.prefix, this.seen + 1));
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    open = false;
    clearTimeout(timer);
    stream.cancel();
  }

  private take(response: rpc.WatchResponse): boolean {
    if (response.created) return !response.canceled;
    if (response.canceled) {
      this.compacted += 1;
      this.seen = Math.max(this.seen, Number(response.compactRevision) - 1);
      this.told.push({ upTo: -this.seen });
      return false;
    }
    const changes = changesOf(response);
    if (changes.length > 0) {
      this.told.push({ changes, at: performance.now() });
      this.seen = changes.at(-1)!.revision;
      return true;
    }
    const upTo = Number(response.header?.revision);
    // Another watch's answer would name another id; this stream has one watch.
    this.told.push({ upTo });
    this.seen = Math.max(this.seen, upTo);
    return true;
  }

  /** When each key was seen to go, for leases. */
  deletions(): { key: string; at: number }[] {
    return this.told.flatMap((one) =>
      "changes" in one
        ? one.changes.filter(({ value }) => value === undefined).map(({ key }) => ({ key, at: one.at }))
        : [],
    );
  }

  /**
   * W1 to W6: every change of the range was told, once, in order, no revision in two pieces, and what a progress notice or a
   * resumption claims was true, up to the revision that is known. Answers what was not.
   */
  judge(all: readonly Change[], known = Infinity): string[] {
    const changes = all.filter(({ key }) => key.startsWith(this.prefix));
    let next = changes.findIndex(({ revision }) => revision >= this.from);
    if (next < 0) next = changes.length;
    let seen = this.from - 1;
    for (const one of this.told) {
      if ("upTo" in one) {
        // Negative: history was gone up to there, and it was said.
        const upTo = Math.abs(one.upTo);
        const missed = changes.slice(next).filter(({ revision }) => revision <= upTo);
        if (one.upTo > 0 && missed.length > 0) {
          return [`W6: ${this.name} is told progress ${upTo} before ${textOf(missed[0])}`];
        }
        if (one.upTo > 0 && upTo < seen) return [`W6: ${this.name} is told progress ${upTo} after ${seen}`];
        next += missed.length;
        seen = Math.max(seen, upTo);
        continue;
      }
      // A lease may end behind what was asked for.
      const told = one.changes.filter(({ revision }) => revision <= known);
      for (const change of told) {
        const expected = changes[next++];
        if (textOf(change) !== textOf(expected)) {
          return [`W1-W4: ${this.name} is told ${textOf(change)} where ${textOf(expected)} comes next`];
        }
      }
      seen = told.at(-1)?.revision ?? seen;
      if (changes[next]?.revision === seen) return [`W4: ${this.name} is told revision ${seen} in two pieces`];
    }
    return [];
  }
}

function textOf(change: Change | undefined): string {
  return change === undefined ? "nothing" : `${change.key}=${change.value ?? "(deleted)"}@${change.revision}`;
}

/** All that happened to keys with a prefix between two revisions, as one member tells it. */
export async function readChanges(member: Member, prefix: string, from: number, to: number): Promise<Change[]> {
  if (to < from) return [];
  const stream = member.connection.watch.watch();
  const changes: Change[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error(`${member.name} does not tell its history`)), 10_000);
      stream.on("error", reject);
      stream.on("data", (response: rpc.WatchResponse) => {
        if (response.canceled) reject(new Error(`history from ${from} is gone at ${Number(response.compactRevision)}`));
        changes.push(...changesOf(response));
        const told = Number(response.header?.revision);
        const done = !response.created && (changes.at(-1)?.revision ?? 0) >= to;
        if (done || (!response.created && response.events.length === 0 && told >= to)) {
          clearTimeout(patience);
          resolve();
        }
      });
      stream.write(watchRequest(prefix, from));
      stream.write({ requestUnion: { $case: "progressRequest", value: {} } });
    });
  } finally {
    // What it says about being cancelled is of no interest.
    stream.on("error", () => undefined);
    stream.cancel();
  }
  const within = changes.filter(({ revision }) => revision <= to);
  must(
    within.every(({ revision }) => revision >= from),
    `W1: ${member.name} tells of revisions before ${from}`,
  );
  return within;
}
