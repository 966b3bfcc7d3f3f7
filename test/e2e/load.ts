import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import type { LoadReport } from "./http.ts";
import type { GeneratorReport } from "./load-generator.ts";

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
  const script = join(import.meta.dirname, "load-generator.ts");
  const numbers = [rates.fresh, rates.kept, ...(rates.timeoutMs === undefined ? [] : [rates.timeoutMs])].map(String);
  const [command, ...args] = [...enter, process.execPath, script, url, ...numbers];
  const child = spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"] });
  // A client that waits for the CPU itself would measure itself.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_HIGHEST);
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
