// What many keys cost: memory, and the time until a member that was killed has them again.
import { Metadata } from "@grpc/grpc-js";
import { sleep } from "@trireme/base";
import { KVClient, TxnRequest } from "@trireme/proto/etcdserverpb/rpc";
import { VALUE, keyOf } from "./jobs.ts";
import { residentBytes } from "./kernel.ts";
import type { LoopbackStores } from "./loopback.ts";

/** The most that one transaction takes. */
const PUTS_PER_TXN = 128;
const IN_FLIGHT = 8;
const WITHIN_MS = 300_000;

/** Writes that many keys, and answers how many bytes of keys and values live. */
export async function fill(stores: LoopbackStores, keys: number): Promise<number> {
  const { member } = await stores.leader();
  const kv = new KVClient(member.endpoint, stores.credentials());
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < keys) {
      const from = next;
      next += PUTS_PER_TXN;
      const success = Array.from({ length: Math.min(PUTS_PER_TXN, keys - from) }, (_, i) => ({
        request: { $case: "requestPut", value: { key: keyOf(from + i), value: VALUE } } as const,
      }));
      const request = TxnRequest.fromPartial({ success });
      await new Promise<void>((resolve, reject) => {
        kv.txn(request, new Metadata(), { deadline: Date.now() + 60_000 }, (error) =>
          error === null ? resolve() : reject(error),
        );
      });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
  kv.close();
  return keys * (keyOf(0).length + VALUE.length);
}

/** Most that any member's memory is now, bytes. */
export function resident(stores: LoopbackStores): number {
  return Math.max(...stores.members.map((member) => residentBytes(stores.pid(member)).now));
}

/** Seconds from the start of a killed follower until it answers with all that was written before. */
export async function recovery(stores: LoopbackStores): Promise<number> {
  const { member: leader } = await stores.leader();
  const follower = stores.members.find((member) => member !== leader)!;
  const revision = (await stores.statusOf(leader))?.header?.revision ?? 0n;
  await stores.kill(follower);
  const startedAt = performance.now();
  stores.run(follower);
  while (((await stores.statusOf(follower))?.header?.revision ?? 0n) < revision) {
    if (performance.now() - startedAt > WITHIN_MS) throw new Error(`${follower.name} has not recovered`);
    await sleep(20);
  }
  return (performance.now() - startedAt) / 1000;
}
