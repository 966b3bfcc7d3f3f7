import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { setPriority } from "node:os";
import { INITIAL_RESTART_STATE, type RestartState, decideRestart, isFinal } from "./decide.ts";
import { isAlive, processIdOf, readLivePid, writePidFile } from "./process-id.ts";
import type { ChildSpec, ProcessId, SupervisorSpec } from "./spec.ts";

/** How often a supervisor looks after children that it adopted, whose end nobody tells it. */
const ADOPTED_POLL_MS = 100;
/** How often it looks at held children and at the size of logs. */
const HOUSEKEEPING_MS = 1_000;
/** A log is cut, with its predecessor kept as `.1`, at this size: a few days of a busy process. */
const MAX_LOG_BYTES = 32 * 1024 * 1024;

/** Writes one JSON line; the supervisor has no logging library, to stay small. */
export type Log = (message: string, keys: Readonly<Record<string, unknown>>) => void;

interface Child {
  spec: ChildSpec;
  restart: RestartState;
  running?: ProcessId;
  startedAt: number;
  /** Adopted children are no children of this process: their end is seen by looking. */
  adopted: boolean;
  timer?: NodeJS.Timeout;
  /** State of the file that it reloads, when it read it; unknown of an adopted child. */
  loaded?: number;
}

/**
 * Keeps the processes of one spec running: starts them, adopts those that a predecessor left, starts them again with
 * back-off when they end. It never ends one: its own death, however it comes, disturbs nobody.
 */
export class Supervisor {
  private readonly children = new Map<string, Child>();
  private readonly log: Log;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(log: Log) {
    this.log = log;
  }

  /** Takes a (new) spec: starts or adopts what is new, forgets what is no longer there. */
  apply(spec: SupervisorSpec): void {
    const wanted = new Map(spec.children.map((child) => [child.name, child]));
    for (const [name, child] of this.children) {
      if (wanted.has(name)) continue;
      clearTimeout(child.timer);
      this.children.delete(name);
    }
    for (const childSpec of spec.children) {
      const known = this.children.get(childSpec.name);
      if (known !== undefined) {
        // A running child keeps its old command until it ends.
        known.spec = childSpec;
        if (known.running === undefined && known.timer === undefined) this.start(known);
        continue;
      }
      const child: Child = { spec: childSpec, restart: INITIAL_RESTART_STATE, startedAt: 0, adopted: false };
      this.children.set(childSpec.name, child);
      this.adoptOrStart(child);
    }
    if (this.timers.length > 0) return;
    this.timers.push(setInterval(() => this.lookAfterAdopted(), ADOPTED_POLL_MS));
    this.timers.push(setInterval(() => this.housekeep(), HOUSEKEEPING_MS));
  }

  /** Stops looking after the children, which keep running. */
  stop(): void {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    for (const child of this.children.values()) clearTimeout(child.timer);
    this.children.clear();
  }

  private adoptOrStart(child: Child): void {
    const found = readLivePid(child.spec.pidFile);
    if (found === undefined) {
      this.start(child);
      return;
    }
    child.running = found;
    child.adopted = true;
    child.startedAt = performance.now();
    this.log("child adopted", { child: child.spec.name, pid: found.pid });
  }

  private start(child: Child): void {
    delete child.timer;
    const { spec } = child;
    // Looked at again by housekeeping.
    if ([spec.holdFile, spec.final?.file].some((file) => file !== undefined && existsSync(file))) return;
    const [program, ...argv] = spec.command;
    const output = openSync(spec.logFile, "a", 0o600);
    let started: ChildProcess;
    try {
      started = spawn(program ?? "", argv, {
        detached: true,
        stdio: ["ignore", output, output],
        env: { ...process.env, ...spec.env },
        cwd: "/",
      });
    } finally {
      closeSync(output);
    }
    child.startedAt = performance.now();
    child.adopted = false;
    if (spec.reloads !== undefined) child.loaded = changedAt(spec.reloads);
    started.once("error", (error) => {
      this.log("child cannot start", { child: spec.name, command: program, err: error.message });
      this.ended(child, undefined);
    });
    if (started.pid === undefined) return;
    const id = processIdOf(started.pid) ?? { pid: started.pid, startTime: "" };
    child.running = id;
    writePidFile(spec.pidFile, id);
    if (spec.nice !== undefined) this.setNice(id, spec.nice);
    started.unref();
    this.log("child started", { child: spec.name, pid: started.pid });
    started.once("exit", (code, signal) => {
      if (child.running !== id) return;
      this.log("child ended", { child: spec.name, pid: id.pid, code, signal });
      if (isFinal(code, spec.final?.code)) this.endForGood(spec, code);
      this.ended(child, id);
    });
  }

  /** Where the note cannot be written the child is started again, with back-off, and ends again. */
  private endForGood(spec: ChildSpec, code: number | null): void {
    const file = spec.final?.file ?? "";
    try {
      writeFileSync(file, `${JSON.stringify({ child: spec.name, code, time: new Date().toISOString() })}\n`, {
        mode: 0o600,
      });
      this.log("child is not started again: its end is final", { child: spec.name, code, until: `${file} is removed` });
    } catch (thrown) {
      this.log("the final end of a child cannot be noted", { child: spec.name, file, err: String(thrown) });
    }
  }

  private setNice(id: ProcessId, nice: number): void {
    try {
      setPriority(id.pid, nice);
    } catch (thrown) {
      this.log("priority not permitted", { pid: id.pid, nice, err: String(thrown) });
    }
  }

  private ended(child: Child, id: ProcessId | undefined): void {
    if (child.running !== id || child.timer !== undefined) return;
    delete child.running;
    if (this.children.get(child.spec.name) !== child) return;
    const { state, delayMs } = decideRestart(child.restart, performance.now() - child.startedAt);
    child.restart = state;
    if (delayMs === 0) this.start(child);
    else child.timer = setTimeout(() => this.start(child), delayMs);
  }

  private lookAfterAdopted(): void {
    for (const child of this.children.values()) {
      if (!child.adopted || child.running === undefined || isAlive(child.running)) continue;
      this.log("adopted child ended", { child: child.spec.name, pid: child.running.pid });
      this.ended(child, child.running);
    }
  }

  private housekeep(): void {
    for (const child of this.children.values()) {
      if (child.running === undefined && child.timer === undefined) this.start(child);
      this.reload(child);
      this.boundLog(child.spec.logFile);
    }
  }

  /** An adopted child is told once: its file may have changed while nobody looked. */
  private reload(child: Child): void {
    const { running, spec } = child;
    if (spec.reloads === undefined || running === undefined || !isAlive(running)) return;
    const now = changedAt(spec.reloads);
    if (now === child.loaded) return;
    child.loaded = now;
    process.kill(running.pid, "SIGHUP");
    this.log("child reads its file again", { child: spec.name, pid: running.pid, file: spec.reloads });
  }

  private boundLog(path: string): void {
    try {
      if (statSync(path).size < MAX_LOG_BYTES) return;
      copyFileSync(path, `${path}.1`);
      // Children append, so that their next line lands at the new end.
      truncateSync(path, 0);
    } catch (thrown) {
      this.log("log cannot be cut", { path, err: String(thrown) });
    }
  }
}

/** When a file was last replaced or written, ms; -1 where there is none. */
function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? -1;
}

/** Reads a spec file. */
export function readSpec(path: string): SupervisorSpec {
  return JSON.parse(readFileSync(path, "utf8")) as SupervisorSpec;
}
