// A client of the bench: takes one job from its parent, answers what it saw. A process of its own, so that its processor time
// is told apart and what it does holds up nobody else.
import { sleep } from "@trireme/base";
import { KVClient, PutRequest, WatchClient, WatchRequest, type WatchResponse } from "@trireme/proto/etcdserverpb/rpc";
import { CHANNEL_OPTIONS, channelCredentials, createSpeaker } from "./dialects.ts";
import { type ClosedLoopJob, type Job, type Sample, type WatchersJob, quantile } from "./jobs.ts";

const WARM_UP_MS = 1_000;
const WATCH_CONNECTIONS = 10;
const WATCHED = Buffer.from("/registry/bench-watched");
/** Deliveries that are still missing so long after the last put never come. */
const DELIVERY_MS = 10_000;

async function closedLoop({ target, dialect, operation, clients, seconds }: ClosedLoopJob): Promise<Sample> {
  const speaker = createSpeaker(dialect, target, operation, clients);
  const latencies: number[] = [];
  let all = 0;
  const startsAt = performance.now() + WARM_UP_MS;
  const endsAt = startsAt + seconds * 1000;
  let cpu = process.cpuUsage();
  const timer = setTimeout(() => (cpu = process.cpuUsage()), WARM_UP_MS);
  const worker = async (client: number): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < endsAt;) {
      await speaker.send(client);
      const now = performance.now();
      all += 1;
      if (sentAt >= startsAt && now <= endsAt) latencies.push(now - sentAt);
      sentAt = now;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => worker(client)));
  clearTimeout(timer);
  const used = process.cpuUsage(cpu);
  speaker.close();
  return sampleOf(latencies, all, seconds, used);
}

async function watchers({ target, watchers: count, puts, everyMs }: WatchersJob): Promise<Sample> {
  const clients = Array.from(
    { length: WATCH_CONNECTIONS },
    () => new WatchClient(target.endpoint, channelCredentials(target), CHANNEL_OPTIONS),
  );
  const kv = new KVClient(target.endpoint, channelCredentials(target), CHANNEL_OPTIONS);
  const sentAt: number[] = [];
  const latencies: number[] = [];
  const created: Promise<unknown>[] = [];
  const streams = Array.from({ length: count }, (_, i) => {
    const stream = clients[i % WATCH_CONNECTIONS]!.watch();
    created.push(
      new Promise((resolve, reject) => {
        stream.once("error", reject);
        stream.on("data", (response: WatchResponse) => {
          if (response.created) resolve(undefined);
          const now = performance.now();
          for (const { kv: written } of response.events) {
            latencies.push(now - sentAt[Number(Buffer.from(written!.value).toString("latin1", 0, 8))]!);
          }
        });
      }),
    );
    const create = { $case: "createRequest", value: { key: WATCHED } } as const;
    stream.write(WatchRequest.fromPartial({ requestUnion: create }));
    return stream;
  });
  await Promise.all(created);
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  for (let i = 0; i < puts; i++) {
    await sleep(Math.max(0, startedAt + i * everyMs - performance.now()));
    const value = Buffer.alloc(256);
    value.write(String(i).padStart(8, "0"), "latin1");
    sentAt[i] = performance.now();
    await new Promise<void>((resolve, reject) => {
      kv.put(PutRequest.fromPartial({ key: WATCHED, value }), (error) => (error === null ? resolve() : reject(error)));
    });
  }
  const wanted = count * puts;
  const until = performance.now() + DELIVERY_MS;
  while (latencies.length < wanted && performance.now() < until) await sleep(10);
  if (latencies.length !== wanted) throw new Error(`${latencies.length} of ${wanted} events were delivered`);
  const seconds = (performance.now() - startedAt) / 1000;
  const used = process.cpuUsage(cpu);
  for (const stream of streams) stream.on("error", () => undefined).cancel();
  for (const client of [...clients, kv]) client.close();
  return sampleOf(latencies, latencies.length, seconds, used);
}

function sampleOf(latencies: number[], all: number, seconds: number, used: NodeJS.CpuUsage): Sample {
  latencies.sort((a, b) => a - b);
  return {
    perSecond: latencies.length / seconds,
    all,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    clientCpu: (used.user + used.system) / 1e6 / seconds,
  };
}

process.once("message", (job: Job) => {
  const work = job.kind === "closed-loop" ? closedLoop(job) : watchers(job);
  void work.then((sample) => process.send!(sample, undefined, {}, () => process.exit(0)));
});
