import type { Prng } from "@trireme/base";
import {
  Compare_CompareResult as CompareResult,
  Compare_CompareTarget as CompareTarget,
  KVClient,
  RangeRequest_SortOrder as SortOrder,
  RangeRequest_SortTarget as SortTarget,
  type PutRequest,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import type { Coverage } from "./coverage.ts";
import { type RegisterOp, checkRegister } from "./linearizability.ts";
import type { Machine } from "./machine.ts";
import type { Oracle } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import { type Refused, call, clientOf, isCertain, sleepMs, within } from "./calls.ts";
import { type World, must } from "./world/world.ts";

/** Few keys, so that clients meet. */
const KEYS = ["a", "b", "c", "d", "e"];

/** A second key that transactions write together with the first. */
const TWIN = "'";

/** A lease that nobody ever grants: a transaction that names it must fail whole. */
const NO_LEASE = 999n;

const END_OF_KEYS = Buffer.from("\0", "latin1");
const NONE = Buffer.alloc(0);

/** One read or write of the history, while it is under way and after. */
interface Recorded extends RegisterOp {
  readonly key: string;
}

/**
 * Clients: one request at a time each, at any member. What they are told is held against the one history at once, and
 * each key's history against the definition of a register at the end.
 */
export class Clients {
  private readonly world: World;
  private readonly oracle: Oracle;
  private readonly coverage: Coverage;
  private readonly machines: () => readonly Machine[];
  private readonly prng: Prng;
  private readonly recorded: Recorded[] = [];
  /** The highest revision that anybody was told of. */
  told = 1;
  private writes = 0;
  stopped = false;
  private readonly scenario: Scenario;

  constructor(options: {
    readonly world: World;
    readonly oracle: Oracle;
    readonly coverage: Coverage;
    readonly machines: () => readonly Machine[];
    readonly scenario: Scenario;
  }) {
    this.world = options.world;
    this.oracle = options.oracle;
    this.coverage = options.coverage;
    this.machines = options.machines;
    this.scenario = options.scenario;
    this.prng = options.world.chance.work;
  }

  /** One client's life. */
  async run(): Promise<void> {
    const { prng } = this;
    const { burst, pauseMs } = this.scenario;
    while (!this.stopped) {
      // In bursts: what goes wrong goes wrong among requests that are under way together.
      await sleepMs(prng.next() < burst ? 2 * prng.next() : pauseMs * 5 * prng.next());
      const up = this.machines().filter((machine) => machine.host.up);
      const machine = up[prng.int(0, up.length - 1)];
      if (machine !== undefined) await this.request(machine);
    }
  }

  private async request(machine: Machine): Promise<void> {
    const kv = clientOf(KVClient, machine);
    const key = KEYS[this.prng.int(0, KEYS.length - 1)]!;
    const dice = this.prng.int(0, 99);
    if (dice < 35) await this.read(kv, key);
    else if (dice < 40) await this.readAll(kv);
    else if (dice < 62) await this.put(kv, key);
    else if (dice < 72) await this.remove(kv, key);
    else if (dice < 88) await this.compareAndSet(kv, key);
    else if (dice < 94) await this.putBoth(kv, key);
    else if (dice < 97) await this.putHalf(kv, key);
    else await this.compact(kv);
  }

  private async read(kv: KVClient, key: string): Promise<void> {
    const [called, floor] = [this.world.now, this.told];
    const answer = await call<RangeResponse>((done) => kv.range(rangeOf(key), ...within(PATIENCE_MS), done));
    if (answer.error !== undefined) {
      this.failed(answer.error);
      return;
    }
    const [found] = answer.response.kvs;
    const revision = Number(answer.response.header!.revision);
    const value = found?.value.toString("latin1");
    const expected = this.oracle.model.states[revision]?.get(key)?.value;
    must(value === expected, `S8: ${key} reads ${value} at revision ${revision}, which holds ${expected}`);
    this.hear(revision, floor, `a read of ${key}`);
    this.coverage.add("reads");
    this.record({ kind: "read", key, found: value, called, returned: this.world.now });
  }

  /** Everything at once: what is read together was there together. */
  private async readAll(kv: KVClient): Promise<void> {
    const floor = this.told;
    const answer = await call<RangeResponse>((done) =>
      kv.range({ ...rangeOf("a"), rangeEnd: END_OF_KEYS }, ...within(PATIENCE_MS), done),
    );
    if (answer.error !== undefined) {
      this.failed(answer.error);
      return;
    }
    const revision = Number(answer.response.header!.revision);
    const found = answer.response.kvs.map((each) => `${each.key}=${each.value.toString("latin1")}`).join(" ");
    const state = [...this.oracle.model.states[revision]!].filter(([key]) => key >= "a");
    const expected = state.sort(([x], [y]) => (x < y ? -1 : 1)).map(([key, { value }]) => `${key}=${value}`);
    must(
      found === expected.join(" "),
      `S8: all keys read "${found}" at revision ${revision}, not "${expected.join(" ")}"`,
    );
    this.hear(revision, floor, "a read of all keys");
    this.coverage.add("reads");
  }

  private async put(kv: KVClient, key: string): Promise<void> {
    const value = this.freshValue();
    await this.write([{ kind: "write", key, value }], (done) =>
      kv.put(putOf(key, value), ...within(PATIENCE_MS), done),
    );
  }

  private async remove(kv: KVClient, key: string): Promise<void> {
    const request = { key: Buffer.from(key), rangeEnd: NONE, prevKv: false };
    await this.write([{ kind: "write", key, value: undefined }], (done) =>
      kv.deleteRange(request, ...within(PATIENCE_MS), done),
    );
  }

  private async compareAndSet(kv: KVClient, key: string): Promise<void> {
    // Mostly what is there indeed.
    const present = this.oracle.model.states[this.told]?.get(key)?.value;
    const expected = this.prng.next() < 0.8 ? present : undefined;
    const value = this.freshValue();
    const request: TxnRequest = {
      compare: [compareOf(key, expected)],
      success: [{ request: { $case: "requestPut", value: putOf(key, value) } }],
      // What was there instead: a failure that names no value would hide which write came before it.
      failure: [{ request: { $case: "requestRange", value: rangeOf(key) } }],
    };
    const [called, floor] = [this.world.now, this.told];
    const answer = await call<TxnResponse>((done) => kv.txn(request, ...within(PATIENCE_MS), done));
    const op = { kind: "compareAndSet", key, expected, value, called } as const;
    if (answer.error !== undefined) {
      if (this.failed(answer.error)) this.refused(key, value);
      else this.record({ ...op, returned: Infinity });
      return;
    }
    const { succeeded } = answer.response;
    const revision = Number(answer.response.header!.revision);
    this.hear(revision, floor, `a compare-and-set of ${key}`);
    this.coverage.add("writes");
    const returned = this.world.now;
    if (succeeded) {
      this.wrote(revision, key, value);
      this.record({ ...op, succeeded, returned });
      return;
    }
    const [branch] = answer.response.responses;
    must(branch?.response?.$case === "responseRange", "S8: a transaction that fails carries out its failure branch");
    const found = branch.response.value.kvs[0]?.value.toString();
    must(found !== expected, `S8: a comparison of ${key} with ${expected} fails, and that is what it holds`);
    this.record({ kind: "read", key, found, called, returned });
  }

  /** Two keys in one transaction. */
  private async putBoth(kv: KVClient, key: string): Promise<void> {
    const value = this.freshValue();
    const request: TxnRequest = {
      compare: [],
      success: [key, key + TWIN].map((each) => ({ request: { $case: "requestPut", value: putOf(each, value) } })),
      failure: [],
    };
    await this.write([{ kind: "write", key, value }], (done) => kv.txn(request, ...within(PATIENCE_MS), done));
  }

  /** A transaction whose second half cannot be done: the first must not be, either. */
  private async putHalf(kv: KVClient, key: string): Promise<void> {
    const value = this.freshValue();
    const request: TxnRequest = {
      compare: [],
      success: [
        { request: { $case: "requestPut", value: putOf(key, value) } },
        { request: { $case: "requestPut", value: { ...putOf(key + TWIN, value), lease: NO_LEASE } } },
      ],
      failure: [],
    };
    const answer = await call<TxnResponse>((done) => kv.txn(request, ...within(PATIENCE_MS), done));
    must(answer.error !== undefined, `S8: a transaction that names a lease which does not exist is carried out`);
    if (!this.failed(answer.error)) return;
    this.refused(key, value);
    this.refused(key + TWIN, value);
  }

  private async compact(kv: KVClient): Promise<void> {
    const revision = this.told - this.prng.int(0, 20);
    if (revision < 2) return;
    const request = { revision: BigInt(revision), physical: false };
    const answer = await call((done) => kv.compact(request, ...within(PATIENCE_MS), done));
    if (answer.error === undefined) this.coverage.add("compactions");
  }

  private async write<A extends { header?: { revision: bigint } | undefined }>(
    ops: readonly Pick<Recorded, "kind" | "key" | "value">[],
    run: Parameters<typeof call<A>>[0],
  ): Promise<void> {
    const [called, floor] = [this.world.now, this.told];
    const answer = await call(run);
    if (answer.error !== undefined) {
      const certain = this.failed(answer.error);
      for (const op of ops) {
        if (!certain) this.record({ ...op, called, returned: Infinity });
        else if (op.value !== undefined) this.refused(op.key, op.value);
      }
      return;
    }
    const revision = Number(answer.response.header!.revision);
    for (const op of ops) {
      this.hear(revision, floor, `a write of ${op.key}`);
      if (op.value !== undefined) this.wrote(revision, op.key, op.value);
      this.record({ ...op, called, returned: this.world.now });
    }
    this.coverage.add("writes");
  }

  private freshValue(): string {
    this.writes += 1;
    return String(this.writes);
  }

  private record(op: Recorded): void {
    this.recorded.push(op);
  }

  /** Counts a failure; answers whether the request certainly did not happen. */
  private failed(error: Refused): boolean {
    must(error.code !== 13, `assertion or crash: a request is answered with an internal error: ${error.details}`);
    const certain = isCertain(error);
    this.coverage.add(certain ? "definite failures" : "unknown outcomes");
    return certain;
  }

  private readonly refusals = new Set<string>();

  private refused(key: string, value: string): void {
    this.refusals.add(`${key}=${value}`);
  }

  /** S8: what was answered is in the history, at the revision that was answered. */
  private wrote(revision: number, key: string, value: string): void {
    const found = this.oracle.model.states[revision]?.get(key);
    must(
      found?.value === value && found.mod === revision,
      `S8: ${key}=${value} was written at ${revision}, and is not`,
    );
  }

  /** S8: an answer is not older than what anybody was told before its question. */
  private hear(revision: number, floor: number, what: string): void {
    must(revision >= floor, `S8: ${what} answers revision ${revision} after somebody was told ${floor}`);
    this.told = Math.max(this.told, revision);
  }

  /** At the end: each key was a register, and what was refused never happened. */
  check(): void {
    for (const state of this.oracle.model.states) {
      for (const [key, { value }] of state ?? []) {
        const write = `${key}=${value}`;
        must(!this.refusals.has(write), `S8: ${write} happened after its client was told that it never would`);
      }
    }
    for (const key of KEYS) {
      const history = this.recorded.filter((op) => op.key === key);
      const verdict = checkRegister(history);
      must(
        verdict !== "not linearizable",
        `S8: the history of ${key} is not linearizable (${history.length} operations)`,
      );
      if (verdict === "undecided") this.undecided += 1;
    }
  }

  /** Keys whose history was too tangled to judge. */
  undecided = 0;
}

/** How long a client waits for an answer. */
const PATIENCE_MS = 4000;

function rangeOf(key: string): RangeRequest {
  return {
    key: Buffer.from(key),
    rangeEnd: NONE,
    limit: 0n,
    revision: 0n,
    sortOrder: SortOrder.NONE,
    sortTarget: SortTarget.KEY,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0n,
    maxModRevision: 0n,
    minCreateRevision: 0n,
    maxCreateRevision: 0n,
  };
}

/** A put as clients send it. */
export function putOf(key: string, value: string, lease = 0n): PutRequest {
  const [k, v] = [Buffer.from(key), Buffer.from(value)];
  return { key: k, value: v, lease, prevKv: false, ignoreValue: false, ignoreLease: false };
}

/** Holds when the key has this value; undefined: when there is no such key. */
function compareOf(key: string, value: string | undefined): TxnRequest["compare"][number] {
  const rest = { result: CompareResult.EQUAL, key: Buffer.from(key), rangeEnd: NONE };
  if (value === undefined) {
    return { ...rest, target: CompareTarget.VERSION, targetUnion: { $case: "version", value: 0n } };
  }
  return { ...rest, target: CompareTarget.VALUE, targetUnion: { $case: "value", value: Buffer.from(value) } };
}
