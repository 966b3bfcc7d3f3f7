import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import type { Member } from "./member.ts";
import { must, until } from "./waiting.ts";

/** A thread that is stopped for so long is held by us, not on its way through. */
const HELD_MS = 150;

/** Longer than any scenario: what is held goes on when it is let go, or never. */
const FOR_EVER = "600s";

/** `before`: the call does not reach the kernel; `after`: it is done, and its caller does not know yet. */
export type Moment = "before" | "after";

/** strace around one member: its system calls fail, or stand still. */
export class Trace {
  private readonly member: Member;
  private readonly strace: ChildProcess;
  private said = "";

  private constructor(member: Member, strace: ChildProcess) {
    this.member = member;
    this.strace = strace;
    strace.stderr?.on("data", (data: Buffer) => (this.said += data.toString()));
  }

  /** From now on these calls of the member are tampered with (strace's words). */
  static async inject(member: Member, call: string, what: string): Promise<Trace> {
    const args = ["-f", "-e", `trace=${call}`, "-e", `inject=${call}:${what}`, "-p", String(member.pid)];
    const strace = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
    const trace = new Trace(member, strace);
    await until(`strace of ${member.name}`, () => trace.said.includes("attached"));
    return trace;
  }

  /** Its next such call stands still. */
  static hold(member: Member, call: string, moment: Moment): Promise<Trace> {
    const delay = moment === "before" ? "delay_enter" : "delay_exit";
    return Trace.inject(member, call, `${delay}=${FOR_EVER}:when=1`);
  }

  /** Resolves when a call of the member stands still. */
  async held(): Promise<void> {
    let since: number | undefined;
    await until(`a call of ${this.member.name} to stand still`, () => {
      const now = performance.now();
      if (!stoppedThread(this.member.pid)) since = undefined;
      else since ??= now;
      return since !== undefined && now - since > HELD_MS;
    });
  }

  /** What strace wrote of the calls. */
  get calls(): string {
    return this.said;
  }

  /** Lets the member go on by itself. */
  async release(): Promise<void> {
    if (this.strace.exitCode !== null || this.strace.signalCode !== null) return;
    const gone = new Promise((resolve) => this.strace.once("exit", resolve));
    this.strace.kill("SIGINT");
    await gone;
  }

  /** Kills the member where it stands, and proves that it stood. */
  async killHeld(): Promise<void> {
    must(stoppedThread(this.member.pid), `${this.member.name} stands still`);
    const ended = this.member.kill();
    // Dead, it is a tracer's before it is its parent's; and this one waits for the end of the delay.
    this.strace.kill("SIGKILL");
    await ended;
  }
}

/** Whether a tracer holds one of the threads. */
function stoppedThread(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((task) => {
    try {
      return /^State:\s+t/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8"));
    } catch (error) {
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
      throw error;
    }
  });
}
