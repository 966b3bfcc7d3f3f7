// Goal: a machine whose processors are taken loses no leader. Method: twice as many endless loops as there are processors, at
// normal priority, under a trickle of writes; the term stays what it was, on every member.
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { sleep } from "@trireme/base";
import { setNice } from "../bench/store/kernel.ts";
import { LoopbackStores } from "../bench/store/loopback.ts";
import { expectAtMost, note } from "./report.ts";

const WRITE_EVERY_MS = 50;
const LOOK_EVERY_MS = 1000;
const LOOPS_PER_PROCESSOR = 2;

export interface BusyOptions {
  readonly minutes: number;
  /** Whether the stores stay above normal priority, as they start; else they compete as equals. */
  readonly raised: boolean;
}

export async function boundBusy({ minutes, raised }: BusyOptions): Promise<void> {
  const stores = await LoopbackStores.start();
  const session = stores.session();
  const loops: ChildProcess[] = [];
  try {
    if (!raised) for (const member of stores.members) setNice(stores.pid(member), 0);
    const { term, member: leader } = await stores.leader();
    for (let i = 0; i < LOOPS_PER_PROCESSOR * availableParallelism(); i++) {
      loops.push(spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
    }
    const until = performance.now() + minutes * 60_000;
    const latencies: number[] = [];
    let terms = 0;
    const look = async (): Promise<void> => {
      for (; performance.now() < until; await sleep(LOOK_EVERY_MS)) {
        for (const { header } of (await Promise.all(stores.members.map((member) => stores.statusOf(member)))).filter(
          (status) => status !== undefined,
        )) {
          terms = Math.max(terms, Number((header?.raftTerm ?? term) - term));
        }
      }
    };
    const write = async (): Promise<void> => {
      for (let i = 0; performance.now() < until; i++) {
        const started = performance.now();
        await session.put({ key: "/registry/bounds/busy", value: Buffer.from(String(i)) });
        latencies.push(performance.now() - started);
        await sleep(WRITE_EVERY_MS);
      }
    };
    await Promise.all([look(), write()]);
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(1);
    const how = raised ? "as started" : "at normal priority";
    note(
      `${loops.length} loops for ${minutes} min, stores ${how}; puts: p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)} ms`,
    );
    const after = await stores.leader();
    expectAtMost(`elections beside busy loops (${how})`, Math.max(terms, Number(after.term - term)), 0, "");
    expectAtMost(`changes of leader beside busy loops (${how})`, after.member === leader ? 0 : 1, 0, "");
  } finally {
    for (const loop of loops) loop.kill("SIGKILL");
    await session.close();
    await stores.stop();
  }
}
