// How long nobody writes when the leader is lost. Puts go to the two others every 10 ms; the first one that was sent after the
// fault and is acknowledged ends the outage.
import { sleep } from "@trireme/base";
import { Metadata } from "@grpc/grpc-js";
import { KVClient, PutRequest } from "@trireme/proto/etcdserverpb/rpc";
import { CHANNEL_OPTIONS } from "./dialects.ts";
import type { LoopbackStores } from "./loopback.ts";

const EVERY_MS = 10;
const DEADLINE_MS = 1_000;
const GIVE_UP_MS = 30_000;
/** Clients come back to a lost server in steps of their own; the cluster is as it was before the next run. */
const SETTLE_MS = 2_000;

export type Loss = "SIGKILL" | "SIGSTOP";

/** Seconds from the signal to the leader until another server has acknowledged a write; the leader is back afterwards. */
export async function outage(stores: LoopbackStores, loss: Loss): Promise<number> {
  const { member: leader } = await stores.leader();
  const survivors = stores.members.filter((member) => member !== leader);
  const clients = survivors.map(({ endpoint }) => new KVClient(endpoint, stores.credentials(), CHANNEL_OPTIONS));
  const put = (kv: KVClient): Promise<boolean> =>
    new Promise((resolve) => {
      const request = PutRequest.fromPartial({
        key: Buffer.from("/registry/bench/failover"),
        value: Buffer.alloc(256),
      });
      kv.put(request, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error) => resolve(error === null));
    });
  try {
    if (!(await Promise.all(clients.map(put))).every(Boolean)) throw new Error("a follower takes no writes");
    process.kill(stores.pid(leader), loss);
    const lostAt = performance.now();
    let endedAt: number | undefined;
    for (let i = 0; endedAt === undefined; i++) {
      if (performance.now() - lostAt > GIVE_UP_MS) throw new Error(`nobody writes ${GIVE_UP_MS} ms after ${loss}`);
      void put(clients[i % clients.length]!).then((ok) => {
        if (ok) endedAt ??= performance.now();
      });
      await sleep(EVERY_MS);
    }
    return (endedAt - lostAt) / 1000;
  } finally {
    if (loss === "SIGSTOP") process.kill(stores.pid(leader), "SIGCONT");
    else {
      await stores.kill(leader);
      stores.run(leader);
    }
    for (const client of clients) client.close();
    await stores.leader();
    await sleep(SETTLE_MS);
  }
}
