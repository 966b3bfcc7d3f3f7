import type { ServiceError } from "@grpc/grpc-js";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Op, Outcome } from "./history.ts";
import type { Member } from "./member.ts";
import { sleep } from "./waiting.ts";

/** Few keys at a time, so that clients meet; new ones again and again, so that each history stays short enough to judge. */
const KEYS = ["a", "b", "c"];
const GENERATION_MS = 1000;

const CLIENTS = 6;

/** Between two requests of a client, at most. */
const PAUSE_MS = 25;

/** How long a client waits for an answer. */
const PATIENCE_MS = 2000;

/** Codes that say what is wrong with the request: it was judged, and refused. */
const JUDGED: ReadonlySet<number> = new Set([3, 5, 9, 11]);

/** Texts that say that the request did not and will not happen. */
const CERTAIN = /^(etcdserver: (no leader|leader changed|too many requests)$|No connection established|.*ECONNREFUSED)/;

type Answer = Omit<Extract<Outcome, { kind: "ok" }>, "kind" | "returned">;

/** Clients that read and write all the time, at any member, and write down what they were told. */
export class Workload {
  readonly ops: Op[] = [];
  readonly prefix: string;
  /** Milliseconds of the longest time in which nobody's write was acknowledged. */
  longestGapMs = 0;
  acknowledged = 0;
  private readonly members: () => readonly Member[];
  private readonly clients: Promise<void>[] = [];
  private lastAck = performance.now();
  private generation = 0;
  private count = 0;
  private paused = false;
  private busy = 0;
  private stopped = false;
  private readonly lastSeen = new Map<string, string | undefined>();
  private readonly timer: NodeJS.Timeout;

  constructor(prefix: string, members: () => readonly Member[]) {
    this.prefix = prefix;
    this.members = members;
    this.timer = setInterval(() => this.renew(), GENERATION_MS);
    for (let i = 0; i < CLIENTS; i++) this.clients.push(this.client());
  }

  private renew(): void {
    this.generation += 1;
    this.lastSeen.clear();
  }

  /** Nobody asks anything until `resume`; resolves when nothing is under way. */
  async pause(): Promise<void> {
    this.paused = true;
    while (this.busy > 0) await sleep(5);
  }

  resume(): void {
    this.paused = false;
    this.lastAck = performance.now();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await Promise.all(this.clients);
  }

  private async client(): Promise<void> {
    while (!this.stopped) {
      await sleep(Math.random() * PAUSE_MS);
      const members = this.members();
      const member = members[Math.floor(Math.random() * members.length)];
      if (this.paused || this.stopped || member === undefined) continue;
      this.busy += 1;
      await this.any(member);
      this.busy -= 1;
    }
  }

  private any(member: Member): Promise<Outcome> {
    const key = `${this.prefix}${this.generation}/${KEYS[Math.floor(Math.random() * KEYS.length)]}`;
    const dice = Math.random();
    if (dice < 0.35) return this.read(member, key);
    if (dice < 0.4) return this.readAnywhere(member, key);
    if (dice < 0.7) return this.put(member, key);
    if (dice < 0.78) return this.remove(member, key);
    return this.compareAndSet(member, key);
  }

  /** A key for one purpose of a scenario. */
  key(name: string): string {
    return `${this.prefix}${this.generation}/${name}`;
  }

  read(member: Member, key: string, timeoutMs = PATIENCE_MS): Promise<Outcome> {
    return this.record({ kind: "read", key }, async () => {
      const { header, kvs } = await member.connection.range(key, { timeoutMs });
      return { revision: Number(header?.revision), found: kvs[0]?.value.toString(), changed: false };
    });
  }

  /** One that its member answers by itself: it may be old, and holds at its revision all the same. */
  private readAnywhere(member: Member, key: string): Promise<Outcome> {
    return this.record({ kind: "readAnywhere", key }, async () => {
      const { header, kvs } = await member.connection.range(key, { serializable: true, timeoutMs: PATIENCE_MS });
      return { revision: Number(header?.revision), found: kvs[0]?.value.toString(), changed: false };
    });
  }

  /** `padding`: bytes behind the value. */
  put(member: Member, key: string, options: { padding?: number; timeoutMs?: number } = {}): Promise<Outcome> {
    const value = this.freshValue() + "-".repeat(options.padding ?? 0);
    return this.record({ kind: "put", key, value }, async () => {
      const { timeoutMs = PATIENCE_MS } = options;
      const { header } = await member.connection.put(key, value, { timeoutMs });
      return { revision: Number(header?.revision), changed: true };
    });
  }

  private remove(member: Member, key: string): Promise<Outcome> {
    return this.record({ kind: "delete", key }, async () => {
      const { header, deleted } = await member.connection.remove(key, PATIENCE_MS);
      return { revision: Number(header?.revision), changed: deleted > 0n };
    });
  }

  private compareAndSet(member: Member, key: string): Promise<Outcome> {
    const expected = this.lastSeen.get(key);
    const value = this.freshValue();
    const request = rpc.TxnRequest.fromPartial({
      compare: [compareOf(key, expected)],
      success: [
        {
          request: {
            $case: "requestPut",
            value: rpc.PutRequest.fromPartial({ key: Buffer.from(key), value: Buffer.from(value) }),
          },
        },
      ],
      // What was there instead: a failure that names no value would hide which write came before it.
      failure: [{ request: { $case: "requestRange", value: rpc.RangeRequest.fromPartial({ key: Buffer.from(key) }) } }],
    });
    return this.record({ kind: "compareAndSet", key, value, expected }, async () => {
      const { header, succeeded, responses } = await member.connection.txn(request, PATIENCE_MS);
      const branch = responses[0]?.response;
      const found = branch?.$case === "responseRange" ? branch.value.kvs[0]?.value.toString() : undefined;
      return { revision: Number(header?.revision), found, changed: succeeded };
    });
  }

  private freshValue(): string {
    this.count += 1;
    return String(this.count);
  }

  private async record(op: Omit<Op, "called" | "outcome">, run: () => Promise<Answer>): Promise<Outcome> {
    const called = performance.now();
    let outcome: Outcome;
    try {
      const answer = await run();
      outcome = { kind: "ok", returned: performance.now(), ...answer };
      this.lastSeen.set(op.key, answer.changed ? op.value : answer.found);
      if (answer.changed) this.heard();
    } catch (error) {
      outcome = { kind: isCertain(error as ServiceError) ? "refused" : "unknown" };
    }
    this.ops.push({ ...op, called, outcome });
    return outcome;
  }

  private heard(): void {
    const now = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, now - this.lastAck);
    this.lastAck = now;
    this.acknowledged += 1;
  }
}

/** Whether a refused request certainly has no effect. */
function isCertain({ code, details }: ServiceError): boolean {
  return JUDGED.has(code) || CERTAIN.test(details);
}

/** Holds when the key has this value; undefined: when there is no such key. */
function compareOf(key: string, value: string | undefined): rpc.TxnRequest["compare"][number] {
  const rest = { result: rpc.Compare_CompareResult.EQUAL, key: Buffer.from(key), rangeEnd: Buffer.alloc(0) };
  if (value === undefined) {
    return {
      ...rest,
      target: rpc.Compare_CompareTarget.VERSION,
      targetUnion: { $case: "version", value: 0n },
    };
  }
  return {
    ...rest,
    target: rpc.Compare_CompareTarget.VALUE,
    targetUnion: { $case: "value", value: Buffer.from(value) },
  };
}
