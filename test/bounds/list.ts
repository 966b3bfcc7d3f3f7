// Goal: who lists everything keeps nobody waiting. Method: 20,000 objects; lists of all of them, one after the other and at the
// same time, from each member in turn; meanwhile each store's own event loop says how long it was held up.
import { Metadata } from "@grpc/grpc-js";
import { KVClient, RangeRequest } from "@trireme/proto/etcdserverpb/rpc";
import { LoopbackStores } from "../bench/store/loopback.ts";
import { expectAtMost, note } from "./report.ts";

const OBJECTS = 20_000;
const PREFIX = "/registry/core/pods/";
/** Sizes of the objects, which lie between. */
const SMALLEST_BYTES = 1000;
const LARGEST_BYTES = 2000;
/** The most that one transaction takes. */
const PUTS_PER_TXN = 128;
const ATTEMPTS = 5;

/** 99 of 100 turns of the store's loop begin no later than this. */
const P99_BOUND_MS = 20;
/** A store that holds its loop longer than this sends a heartbeat late. */
const HEARTBEAT_MS = 100;

export interface ListOptions {
  /** Of each member, by each of two clients at the same time. */
  readonly lists: number;
  /** Judges by the clock, for a machine that does nothing else; else by the processor time of the store's loop. */
  readonly byClock: boolean;
}

export async function boundList({ lists, byClock }: ListOptions): Promise<void> {
  const stores = await LoopbackStores.start({ probed: true });
  const session = stores.session();
  try {
    for (let at = 0; at < OBJECTS; at += PUTS_PER_TXN) {
      const success = Array.from({ length: Math.min(PUTS_PER_TXN, OBJECTS - at) }, (_, i) => {
        const bytes = SMALLEST_BYTES + ((7919 * (at + i)) % (LARGEST_BYTES - SMALLEST_BYTES));
        return { put: { key: `${PREFIX}${String(at + i).padStart(8, "0")}`, value: Buffer.alloc(bytes, at) } };
      });
      await untilWritten(() => session.txn({ compare: [], success }));
    }
    const { term } = await stores.leader();
    // What the writes held up does not count.
    for (const member of stores.members) await stores.probe(member);
    for (const member of stores.members) {
      const kv = new KVClient(member.endpoint, stores.credentials(), { "grpc.max_receive_message_length": -1 });
      const started = performance.now();
      const repeat = async (): Promise<void> => {
        for (let i = 0; i < lists; i++) expectAll(await list(kv));
      };
      await Promise.all([repeat(), repeat()]);
      kv.close();
      const each = (performance.now() - started) / lists;
      note(`${member.name}: two lists of ${OBJECTS} objects at the same time took ${Math.round(each)} ms`);
    }
    for (const member of stores.members) {
      const { delay, work } = await stores.probe(member);
      const turns = byClock ? delay : work;
      expectAtMost(`${member.name}: delay of the event loop, p99`, turns.p99, P99_BOUND_MS, "ms");
      expectAtMost(`${member.name}: delay of the event loop, most`, turns.max, HEARTBEAT_MS, "ms");
      const [p99, most] = byClock ? [work.p99, work.max] : [delay.p99, delay.max];
      note(`${byClock ? "of its own making" : "by the clock"}: p99 ${p99.toFixed(1)} ms, most ${most.toFixed(1)} ms`);
    }
    expectAtMost("elections under the lists", Number((await stores.leader()).term - term), 0, "");
  } finally {
    await session.close();
    await stores.stop();
  }
}

/** On a machine that is taken, a connection may be given up; what was written twice is the same. */
async function untilWritten(write: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await write();
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

function expectAll(found: number): void {
  if (found !== OBJECTS) throw new Error(`a list of ${OBJECTS} objects holds ${found}`);
}

/** Resolves to how many objects came. */
function list(kv: KVClient): Promise<number> {
  const end = Buffer.from(PREFIX);
  end[end.length - 1]! += 1;
  const request = RangeRequest.fromPartial({ key: Buffer.from(PREFIX), rangeEnd: end });
  return new Promise((resolve, reject) => {
    kv.range(request, new Metadata(), { deadline: Date.now() + 60_000 }, (error, response) => {
      if (error === null) resolve(response.kvs.length);
      else reject(error);
    });
  });
}
