/**
 * `tri bench store [PART...]`: our store beside Debian's etcd, in turn on the same machine: three replicas on loopback, fsync,
 * TLS everywhere, values of 256 B. Parts: puts, gets, watch, failover, recovery; all unless named. Each figure is one JSON line
 * with its runs, the medians and the ratio, above 1 where ours is better. Environment: TRIREME_BENCH_ROUNDS (3),
 * TRIREME_BENCH_SECONDS (4) a point, TRIREME_BENCH_FAILOVERS (15) of each kind, TRIREME_BENCH_KEYS (1000000).
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Loss, outage } from "./store/failover.ts";
import { cpuSeconds } from "./store/kernel.ts";
import { type Dialect, type Job, type Operation, type Sample, type Target, median } from "./store/jobs.ts";
import { LoopbackStores, type Program } from "./store/loopback.ts";
import { fill, recovery, resident } from "./store/recovery.ts";

const setting = (name: string, usual: number): number => Number(process.env[`TRIREME_BENCH_${name}`] ?? usual);
const ROUNDS = setting("ROUNDS", 3);
const SECONDS = setting("SECONDS", 4);
const FAILOVERS = setting("FAILOVERS", 15);
const KEYS = setting("KEYS", 1_000_000);

const PROGRAMS: readonly Program[] = ["trireme", "etcd"];
const DIALECTS: readonly Dialect[] = ["grpc-js", "http2"];
const PUT_CLIENTS = [1, 16, 64, 256];
const GET_CLIENTS = 64;
const WATCHERS = { watchers: 500, puts: 60, everyMs: 100 };
const CLIENT = fileURLToPath(new URL("store/client.ts", import.meta.url));
const MB = 1_000_000;

type Better = "more" | "less";

/** Runs of one figure, by program. */
interface Figure {
  readonly unit: string;
  readonly better: Better;
  readonly runs: Record<Program, number[]>;
}
const figures = new Map<string, Figure>();

function record(program: Program, name: string, unit: string, better: Better, value: number): void {
  const figure = figures.get(name) ?? { unit, better, runs: { trireme: [], etcd: [] } };
  figures.set(name, figure);
  figure.runs[program].push(value);
}

/** Prints all figures that were recorded, and begins anew. */
function tell(): void {
  for (const [figure, { unit, better, runs }] of figures) {
    const [ours, theirs] = PROGRAMS.map((program) => median(runs[program]));
    const ratio = better === "more" ? ours! / theirs! : theirs! / ours!;
    const worst = Object.fromEntries(PROGRAMS.map((program) => [program, short(Math.max(...runs[program]))]));
    const line = { bench: "store", figure, unit, trireme: short(ours!), etcd: short(theirs!), ratio: short(ratio) };
    console.log(JSON.stringify({ ...line, ...(figure.startsWith("outage") ? { worst } : {}), runs: shortRuns(runs) }));
  }
  figures.clear();
}

const short = (value: number): number => Number(value.toPrecision(4));
const shortRuns = (runs: Record<Program, number[]>): object =>
  Object.fromEntries(PROGRAMS.map((program) => [program, runs[program].map(short)]));

/** Runs `work` with a cluster of its own of each program, as often as there are rounds. */
async function inTurn(
  rounds: number,
  work: (stores: LoopbackStores, program: Program) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const program of round % 2 === 0 ? PROGRAMS : PROGRAMS.toReversed()) {
      const stores = await LoopbackStores.start({ program });
      try {
        await work(stores, program);
      } finally {
        await stores.stop();
      }
    }
  }
}

/** Has a process of its own do a job at the leader; `cpuMs`: what each request cost the three members together. */
async function ask(stores: LoopbackStores, job: (target: Target) => Job): Promise<Sample & { readonly cpuMs: number }> {
  const { member } = await stores.leader();
  const target = { endpoint: member.endpoint, ca: stores.ca, ...stores.client };
  const cpu = (): number => stores.members.reduce((sum, each) => sum + cpuSeconds(stores.pid(each)), 0);
  const before = cpu();
  const sample = await new Promise<Sample>((resolve, reject) => {
    const child = fork(CLIENT, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    child.once("message", (message) => resolve(message as Sample));
    child.once("exit", (code) => reject(new Error(`a client ended with ${code}`)));
    child.send(job(target));
  });
  return { ...sample, cpuMs: ((cpu() - before) * 1000) / sample.all };
}

/** Puts without a figure: a store that runs for longer than a bench has its code compiled and its caches filled. */
async function warm(stores: LoopbackStores): Promise<void> {
  await ask(stores, (target) => {
    return { kind: "closed-loop", target, dialect: "http2", operation: "put", clients: 64, seconds: SECONDS };
  });
}

async function load(
  stores: LoopbackStores,
  program: Program,
  operation: Operation,
  dialect: Dialect,
  clients: number,
): Promise<void> {
  const sample = await ask(stores, (target) => {
    return { kind: "closed-loop", target, dialect, operation, clients, seconds: SECONDS };
  });
  const name = `${operation}, ${clients} clients, ${dialect}`;
  record(program, name, "1/s", "more", sample.perSecond);
  record(program, `${name}, p50`, "ms", "less", sample.p50);
  record(program, `${name}, p99`, "ms", "less", sample.p99);
  record(program, `${name}, processor time of the members`, "ms", "less", sample.cpuMs);
  record(program, `${name}, processors of the client`, "", "less", sample.clientCpu);
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  puts: () =>
    inTurn(ROUNDS, async (stores, program) => {
      await warm(stores);
      for (const clients of PUT_CLIENTS) {
        for (const dialect of DIALECTS) await load(stores, program, "put", dialect, clients);
      }
    }),
  gets: () =>
    inTurn(ROUNDS, async (stores, program) => {
      await fill(stores, 1_000);
      await warm(stores);
      for (const operation of ["get", "get-serializable"] as const) {
        for (const dialect of DIALECTS) await load(stores, program, operation, dialect, GET_CLIENTS);
      }
    }),
  watch: () =>
    inTurn(ROUNDS, async (stores, program) => {
      await warm(stores);
      const sample = await ask(stores, (target) => ({ kind: "watchers", target, ...WATCHERS }));
      const name = `delivery to ${WATCHERS.watchers} watchers`;
      record(program, `${name}, p50`, "ms", "less", sample.p50);
      record(program, `${name}, p99`, "ms", "less", sample.p99);
      record(program, `${name}, processor time of the members`, "ms", "less", sample.cpuMs);
      record(program, `${name}, processors of the client`, "", "less", sample.clientCpu);
    }),
  failover: () =>
    inTurn(1, async (stores, program) => {
      for (const loss of ["SIGKILL", "SIGSTOP"] satisfies Loss[]) {
        for (let i = 0; i < FAILOVERS; i++) {
          record(program, `outage after ${loss} of the leader`, "s", "less", await outage(stores, loss));
        }
      }
    }),
  recovery: () =>
    inTurn(1, async (stores, program) => {
      const started = performance.now();
      const live = await fill(stores, KEYS);
      record(program, `${KEYS} keys written`, "s", "less", (performance.now() - started) / 1000);
      record(program, `memory with ${short(live / MB)} MB live`, "MB", "less", resident(stores) / MB);
      for (let i = 0; i < ROUNDS; i++) {
        record(program, `recovery of a member from ${KEYS} keys`, "s", "less", await recovery(stores));
      }
      record(program, `memory after recovery`, "MB", "less", resident(stores) / MB);
    }),
};

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PARTS);
const wrong = chosen.find((name) => PARTS[name] === undefined);
if (wrong !== undefined) {
  console.error(`there is no part "${wrong}"; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(1);
}
for (const name of chosen) {
  process.stderr.write(`${new Date().toISOString()} ${name}\n`);
  await PARTS[name]!();
  tell();
}
