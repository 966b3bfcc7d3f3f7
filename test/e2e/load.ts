import { type ChildProcessByStdio, spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import type { LoadReport } from "./http.ts";
import type { GeneratorReport } from "./load-generator.ts";
import type { SteadyReport } from "./steady-writer.ts";

/** Requests a second of one generator. */
export interface Rates {
  /** Each on a connection of its own. */
  readonly fresh: number;
  /** Over kept connections. */
  readonly kept: number;
  /** An answer that is not whole after this time is none, ms; the generator's own bound where it is not said. */
  readonly timeoutMs?: number;
}

/** A generator that runs. */
export interface Load {
  /** All that it saw so far; requests under way are neither ok nor failed. */
  look(): Promise<GeneratorReport>;
  /** Sends no more, waits for the answers that are due, and tells what it saw. */
  stop(): Promise<GeneratorReport>;
}

/** Starts a generator of requests, in the network of process `netOf` or in ours. */
export function startLoad(url: string, rates: Rates, netOf?: number): Load {
  const enter = netOf === undefined ? [] : ["nsenter", `--net=/proc/${netOf}/ns/net`];
  const timeout = rates.timeoutMs === undefined ? [] : [String(rates.timeoutMs)];
  const child = startClient(enter, "load-generator.ts", url, String(rates.fresh), String(rates.kept), ...timeout);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<GeneratorReport> => {
    const line = await lines.next();
    if (line.done === true) throw new Error("the generator of requests has ended by itself");
    return JSON.parse(line.value) as GeneratorReport;
  };
  return {
    look() {
      child.stdin.write("\n");
      return next();
    },
    stop() {
      child.stdin.end();
      return next();
    },
  };
}

/** Starts a writer of ConfigMaps at a steady rate. */
export function startSteadyWriter(kubeconfig: string, perSecond: number): { stop(): Promise<SteadyReport> } {
  const child = startClient([], "steady-writer.ts", kubeconfig, String(perSecond));
  return {
    async stop() {
      child.stdin.end();
      return JSON.parse(await text(child.stdout)) as SteadyReport;
    },
  };
}

/** A client's script of this folder, as a process that goes before others: one that waits for the CPU measures itself. */
function startClient(
  enter: readonly string[],
  script: string,
  ...args: string[]
): ChildProcessByStdio<Writable, Readable, null> {
  const [command, ...rest] = [...enter, process.execPath, join(import.meta.dirname, script), ...args];
  const child = spawn(command!, rest, { stdio: ["pipe", "pipe", "inherit"] });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_HIGHEST);
  return child;
}

/** All that some generators saw, as one. */
export function sumOf(reports: readonly GeneratorReport[]): LoadReport {
  const all = reports.flatMap(({ fresh, kept }) => [fresh, kept]);
  return {
    sent: all.reduce((sum, one) => sum + one.sent, 0),
    ok: all.reduce((sum, one) => sum + one.ok, 0),
    failed: all.reduce((sum, one) => sum + one.failed, 0),
    errors: all.flatMap((one) => one.errors),
    failedSentAt: all.flatMap((one) => one.failedSentAt),
    slowestMs: Math.max(...all.map((one) => one.slowestMs)),
  };
}

/**
 * Fails, and names what went wrong, unless every request was answered and there were at least `least` of them. That it can
 * fail is proved in 83-rollouts-under-load, for all who rely on it.
 */
export function expectNoneFailed(total: LoadReport, least: number): void {
  const { sent, ok, failed, errors } = total;
  expect(failed, `${failed} of ${sent} requests failed: ${errors.join("; ")}`).toBe(0);
  expect(ok, "requests that were answered, of all that were sent").toBe(sent);
  expect(sent, "requests that were sent").toBeGreaterThan(least);
}
