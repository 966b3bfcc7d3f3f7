import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { INITIAL_RESTART_STATE, decideRestart, isFinal } from "./decide.ts";
import { isAlive, processIdOf, readLivePid, readPidFile, writePidFile } from "./process-id.ts";
import type { ChildSpec } from "./spec.ts";
import { Supervisor } from "./supervisor.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-supervisor-"));
const running: Supervisor[] = [];
const pidFiles: string[] = [];

afterEach(() => {
  for (const supervisor of running.splice(0)) supervisor.stop();
  for (const file of pidFiles.splice(0)) {
    const id = readLivePid(file);
    if (id !== undefined) process.kill(id.pid, "SIGKILL");
  }
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function child(name: string, script: string, more: Partial<ChildSpec> = {}): ChildSpec {
  const pidFile = join(dir, `${name}.pid`);
  pidFiles.push(pidFile);
  return { name, command: ["sh", "-c", script], logFile: join(dir, `${name}.log`), pidFile, ...more };
}

function supervise(...children: ChildSpec[]): { supervisor: Supervisor; logged: string[] } {
  const logged: string[] = [];
  const supervisor = new Supervisor((message, keys) => void logged.push(`${message} ${String(keys.child)}`));
  running.push(supervisor);
  supervisor.apply({ name: "test", children });
  return { supervisor, logged };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("not within 20 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("decideRestart", () => {
  it("restarts at once, then backs off to five seconds", () => {
    let state = INITIAL_RESTART_STATE;
    const delays: number[] = [];
    for (let i = 0; i < 9; i++) {
      const decision = decideRestart(state, 50);
      state = decision.state;
      delays.push(decision.delayMs);
    }
    expect(delays).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  it("forgives a child that ran well", () => {
    expect(decideRestart({ failures: 7 }, 60_000)).toEqual({ state: { failures: 1 }, delayMs: 0 });
  });
});

describe("isFinal", () => {
  it("is the one code that a child has for it, and no other end", () => {
    expect(isFinal(3, 3)).toBe(true);
    for (const code of [0, 1, null, undefined]) expect(isFinal(code, 3)).toBe(false);
    expect(isFinal(3, undefined)).toBe(false);
    expect(isFinal(undefined, undefined)).toBe(false);
  });
});

describe("process ids", () => {
  it("tells a process from a later one with the same pid", () => {
    const self = processIdOf(process.pid);
    expect(self && isAlive(self)).toBe(true);
    expect(isAlive({ pid: process.pid, startTime: "1" })).toBe(false);
    expect(processIdOf(2 ** 22 + 1)).toBeUndefined();
  });

  it("reads back what it wrote and ignores what it did not write", () => {
    const path = join(dir, "some.pid");
    writePidFile(path, { pid: 5, startTime: "77" });
    expect(readPidFile(path)).toEqual({ pid: 5, startTime: "77" });
    writeFileSync(path, "123\n");
    expect(readPidFile(path)).toBeUndefined();
  });
});

describe("Supervisor", () => {
  it("starts a child again when it ends, and not while it is held", async () => {
    const hold = join(dir, "hold");
    const one = child("again", "echo started; exec sleep 60", { holdFile: hold });
    const { supervisor } = supervise(one);
    const starts = (): number => readFileSync(one.logFile, "utf8").match(/started/g)?.length ?? 0;
    await until(() => starts() === 1);
    const first = readLivePid(one.pidFile);
    process.kill(first?.pid ?? 0, "SIGKILL");
    await until(() => (readLivePid(one.pidFile)?.pid ?? first?.pid) !== first?.pid);
    writeFileSync(hold, "");
    await until(() => starts() === 2);
    const second = readLivePid(one.pidFile);
    process.kill(second?.pid ?? 0, "SIGKILL");
    await until(() => readLivePid(one.pidFile) === undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(readLivePid(one.pidFile)).toBeUndefined();
    rmSync(hold);
    supervisor.apply({ name: "test", children: [one] });
    await until(() => starts() === 3);
  });

  it("leaves children running when it goes, and its successor adopts and restarts them", async () => {
    const one = child("adopted", "exec sleep 60");
    const { supervisor } = supervise(one);
    await until(() => readLivePid(one.pidFile) !== undefined);
    const before = readLivePid(one.pidFile);
    supervisor.stop();
    const successor = supervise(one);
    expect(readLivePid(one.pidFile)).toEqual(before);
    expect(successor.logged).toEqual(["child adopted adopted"]);
    process.kill(before?.pid ?? 0, "SIGKILL");
    await until(() => (readLivePid(one.pidFile)?.pid ?? before?.pid) !== before?.pid);
    expect(successor.logged).toContain("adopted child ended adopted");
  });

  it("does not start again a child whose end is final, nor does its successor, until the note is gone", async () => {
    const file = join(dir, "final.json");
    const one = child("final", "echo started; exit 3", { final: { code: 3, file } });
    const { supervisor, logged } = supervise(one);
    const starts = (): number => readFileSync(one.logFile, "utf8").match(/started/g)?.length ?? 0;
    await until(() => existsSync(file));
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ child: "final", code: 3 });
    expect(logged.at(-1)).toBe("child is not started again: its end is final final");
    supervisor.apply({ name: "test", children: [one] });
    supervisor.stop();
    const successor = supervise(one);
    // Housekeeping looks each second.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(starts()).toBe(1);
    rmSync(file);
    successor.supervisor.apply({ name: "test", children: [one] });
    await until(() => starts() === 2);
  });

  it("has a child read its file again when that was replaced, and an adopted one once", async () => {
    const reloads = join(dir, "reloads.crt");
    writeFileSync(reloads, "one");
    const script = "trap 'echo reloaded' HUP; echo started; while :; do sleep 0.05; done";
    const one = child("reloading", script, { reloads });
    const { supervisor, logged } = supervise(one);
    const said = (word: string): number => readFileSync(one.logFile, "utf8").split(word).length - 1;
    await until(() => said("started") === 1);
    writePidFile(reloads, { pid: 1, startTime: "as a whole, by rename" });
    await until(() => said("reloaded") === 1);
    expect(logged.filter((line) => line.startsWith("child reads"))).toHaveLength(1);
    supervisor.stop();
    supervise(one);
    await until(() => said("reloaded") === 2);
    expect(said("started")).toBe(1);
  });

  it("says so when a program does not exist, and keeps trying with back-off", async () => {
    const one = child("missing", "");
    const { logged } = supervise({ ...one, command: ["/no/such/program"] });
    await until(() => logged.filter((line) => line === "child cannot start missing").length >= 3);
    expect(existsSync(one.pidFile)).toBe(false);
  });
});
