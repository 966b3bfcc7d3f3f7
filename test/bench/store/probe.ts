// A look into a store's process: how long its event loop kept others waiting, and where its memory is.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { sleep } from "@trireme/base";

/** How long turns of an event loop took, in milliseconds. */
export interface Turns {
  readonly p99: number;
  readonly max: number;
}

/** What the probe says; counted since the last time that it was asked. */
export interface ProbeReading {
  /** By the clock: what the machine's other work took of the processor counts too. */
  readonly delay: Turns;
  /** Processor time of the loop's own thread: what the store's own work kept waiting. */
  readonly work: Turns;
  readonly memory: NodeJS.MemoryUsage;
}

const FILE_VARIABLE = "TRIREME_BENCH_PROBE";
const WITHIN_MS = 10_000;

/**
 * Runs within the store, before it: plain JavaScript without a file, so that it costs no memory that counts. A timer is due
 * each millisecond; what lies between two of its calls beyond that is a turn of somebody else.
 */
const SOURCE = `
import { renameSync, writeFileSync } from "node:fs";
const file = process.env.${FILE_VARIABLE};
const cpuMs = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000; };
let delay = [], work = [], at = performance.now(), cpu = cpuMs();
setInterval(() => {
  const now = performance.now(), used = cpuMs();
  delay.push(Math.max(0, now - at - 1));
  work.push(used - cpu);
  [at, cpu] = [now, used];
}, 1).unref();
const turns = (all) => { all.sort((a, b) => a - b); return { p99: all[Math.floor(0.99 * (all.length - 1))] ?? 0, max: all.at(-1) ?? 0 }; };
process.on("SIGUSR2", () => {
  const reading = { delay: turns(delay), work: turns(work), memory: process.memoryUsage() };
  writeFileSync(file + ".new", JSON.stringify(reading));
  renameSync(file + ".new", file);
  [delay, work, at, cpu] = [[], [], performance.now(), cpuMs()];
});`;

/** Flags of Node with which a process carries the probe. */
export const PROBE_FLAGS = ["--import", `data:text/javascript,${encodeURIComponent(SOURCE)}`];

/** Environment of a process with the probe. */
export function probeEnvironment(file: string): Record<string, string> {
  return { [FILE_VARIABLE]: file };
}

/** Asks the probe of a process, and begins the next count. */
export async function readProbe(pid: number, file: string): Promise<ProbeReading> {
  rmSync(file, { force: true });
  process.kill(pid, "SIGUSR2");
  for (const until = performance.now() + WITHIN_MS; performance.now() < until; await sleep(10)) {
    if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as ProbeReading;
  }
  throw new Error(`process ${pid} does not answer its probe`);
}
