import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("reaper.sh", import.meta.url));

/**
 * Removes what a run leaves. A process of its own waits for the end of a pipe from this one: so the run may also be
 * interrupted or killed.
 */
export class Reaper {
  /** Everything that the run makes in the kernel is called like this, with something behind it. */
  readonly prefix = `tf${process.pid}`;
  /** Everything that it makes in the file system is in here. */
  readonly dir = mkdtempSync(join(tmpdir(), "trireme-faults-"));
  private readonly child: ChildProcess;

  constructor() {
    const stdio = ["pipe", "ignore", "inherit"] as const;
    this.child = spawn("bash", [SCRIPT, this.prefix, this.dir], { stdio: [...stdio], detached: true });
  }

  /** Removes all; answers what is left nevertheless. */
  async finish(): Promise<string[]> {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.stdin?.end();
    await gone;
    return this.leftovers();
  }

  private leftovers(): string[] {
    const lines = (text: string, what: string): string[] =>
      text.split("\n").filter((line) => line.includes(what) && !line.includes(SCRIPT));
    const commands = readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid))
      .map((pid) => commandOf(pid));
    return [
      ...lines(execFileSync("ip", ["netns", "list"], { encoding: "utf8" }), this.prefix),
      ...lines(execFileSync("ip", ["-o", "link"], { encoding: "utf8" }), `${this.prefix}@`),
      ...lines(readFileSync("/proc/mounts", "utf8"), this.dir),
      ...lines(execFileSync("losetup", ["-a"], { encoding: "utf8" }), this.dir),
      ...lines(commands.join("\n"), this.dir),
      ...(existsSync(this.dir) ? [this.dir] : []),
    ];
  }
}

/** A process's command line; empty when it ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
