import {
  WatchClient,
  WatchCreateRequest_FilterType as Filter,
  type WatchResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import { clientOf, sleepMs } from "./calls.ts";
import type { Coverage } from "./coverage.ts";
import type { Machine } from "./machine.ts";
import { eventText } from "./model.ts";
import type { Oracle } from "./oracle.ts";
import { type World, must } from "./world/world.ts";

/** What one watcher wants to hear. */
interface Wish {
  readonly key: string;
  readonly rangeEnd: string;
  readonly filters: Filter[];
  hears(event: string): boolean;
}

const WISHES: readonly Wish[] = [
  { key: "\0", rangeEnd: "\0", filters: [], hears: () => true },
  { key: "\0", rangeEnd: "\0", filters: [Filter.NOPUT], hears: (event) => event.startsWith("-") },
  { key: "b", rangeEnd: "d", filters: [], hears: (event) => event[1] === "b" || event[1] === "c" },
];

type Stream = ReturnType<WatchClient["watch"]>;

/**
 * A watcher that comes back for ever, at any member, from where it was. It holds the six guarantees: whatever it is told,
 * it has then heard every event of its wish up to there, each once, in order, no revision in two pieces.
 */
export class Watcher {
  private readonly world: World;
  private readonly oracle: Oracle;
  private readonly coverage: Coverage;
  private readonly wish: Wish;
  private readonly machines: () => readonly Machine[];
  /** Everything up to this revision has been heard. */
  seen = 1;
  /** Rounds that begin; an answer to an earlier one is no longer listened to. */
  private round = 0;
  stopped = false;
  /** Set when all is well again: from now on it stays, and asks members that are in the cluster. */
  hurries = false;

  constructor(options: {
    readonly world: World;
    readonly oracle: Oracle;
    readonly coverage: Coverage;
    readonly number: number;
    readonly machines: () => readonly Machine[];
  }) {
    this.world = options.world;
    this.oracle = options.oracle;
    this.coverage = options.coverage;
    this.wish = WISHES[options.number % WISHES.length]!;
    this.machines = options.machines;
  }

  async run(): Promise<void> {
    const { work } = this.world.chance;
    while (!this.stopped) {
      // Now and then away for long: its history may be gone when it comes back.
      if (!this.hurries && work.next() < 0.15) await sleepMs(1000 + work.next() * 5000);
      const up = this.machines().filter((machine) => (this.hurries ? machine.isSettled : machine.host.up));
      const machine = up[work.int(0, up.length - 1)];
      if (machine === undefined) await sleepMs(100);
      else await this.follow(machine, 500 + work.next() * 5000);
    }
  }

  /** Watches at one member for a while. */
  private async follow(machine: Machine, ms: number): Promise<void> {
    const round = ++this.round;
    if (this.seen > 1) this.coverage.add("watches resumed");
    const stream = clientOf(WatchClient, machine).watch();
    const over = new Promise<void>((resolve) => {
      stream.on("data", (response: WatchResponse) => {
        if (round === this.round && !this.take(response)) resolve();
      });
      stream.on("error", () => resolve());
      stream.on("end", () => resolve());
    });
    this.ask(stream);
    await Promise.race([over, sleepMs(ms)]);
    this.round += 1;
    stream.cancel();
    await sleepMs(20);
  }

  private ask(stream: Stream): void {
    const { key, rangeEnd, filters } = this.wish;
    const value = {
      key: Buffer.from(key),
      rangeEnd: Buffer.from(rangeEnd),
      startRevision: BigInt(this.seen + 1),
      progressNotify: true,
      filters,
      prevKv: true,
      watchId: 0n,
      fragment: false,
    };
    stream.write({ requestUnion: { $case: "createRequest", value } });
    // At once, before anything can have been delivered, and later.
    if (this.world.chance.work.next() < 0.5) stream.write({ requestUnion: { $case: "progressRequest", value: {} } });
    this.world.plan(300 + this.world.chance.work.next() * 500, () => {
      stream.write({ requestUnion: { $case: "progressRequest", value: {} } });
    });
  }

  /** Takes what a member says; false when it says no more. */
  private take(response: WatchResponse): boolean {
    const revision = Number(response.header!.revision);
    if (response.created) return !response.canceled;
    if (response.canceled) {
      const floor = Number(response.compactRevision);
      must(floor > this.seen + 1, `W5: a watch from ${this.seen + 1} is cancelled, compacted at ${floor}`);
      this.coverage.add("watches compacted");
      this.seen = floor - 1;
      return false;
    }
    if (response.events.length > 0) {
      this.hear(response);
      return true;
    }
    this.coverage.add("progress notified");
    must(revision >= this.seen, `W6: progress ${revision} after everything to ${this.seen} was delivered`);
    const missed = this.expected(revision);
    must(missed.length === 0, `W6: progress ${revision} before "${missed.join(" ")}"`);
    this.seen = revision;
    return true;
  }

  private hear(response: WatchResponse): void {
    const heard = response.events.map(({ kv, prevKv }) => {
      const { key, version, modRevision, value } = kv!;
      const at = Number(modRevision);
      if (prevKv !== undefined) this.checkBefore(key.toString(), at, prevKv.value.toString());
      return { at, text: eventText({ key: key.toString(), version: Number(version), modRevision: at, value }) };
    });
    const last = heard.at(-1)!.at;
    const [texts, expected] = [heard.map(({ text }) => text).join(" "), this.expected(last).join(" ")];
    // W1 to W4: in order, once each, none left out, no revision in two pieces.
    must(texts === expected, `W1-W4: after ${this.seen} come "${texts}", not "${expected}"`);
    this.seen = last;
    this.coverage.add("events delivered", heard.length);
  }

  private checkBefore(key: string, revision: number, value: string): void {
    const before = this.oracle.model.states[revision - 1]?.get(key)?.value;
    must(before === value, `W4: before revision ${revision} ${key} is told to have been ${value}, and was ${before}`);
  }

  /** What is to be heard behind `seen`, up to a revision. */
  private expected(revision: number): string[] {
    const events: string[] = [];
    for (let at = this.seen + 1; at <= revision; at++) {
      for (const event of this.oracle.events[at] ?? []) if (this.wish.hears(event)) events.push(event);
    }
    return events;
  }
}
