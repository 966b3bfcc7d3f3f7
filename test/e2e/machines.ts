import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./cluster.ts";
import { type Finished, must, run, within } from "./process.ts";

/** A command of deploy/README.md and the machine on which it says to type it. */
export interface ReadmeCommand {
  readonly host: string;
  readonly command: string;
}

/** Every command of one section of deploy/README.md, in order, with its machine. */
export function readmeCommands(section: string): ReadmeCommand[] {
  const text = readFileSync(join(ROOT, "deploy/README.md"), "utf8");
  const body = text.split(/^## /m).find((one) => one.startsWith(`${section}\n`));
  if (body === undefined) throw new Error(`deploy/README.md has no section "${section}"`);
  return [...body.matchAll(/On \*\*(\w+)\*\*[^`]*(?:`TOKEN`)?:\n\n```sh\n([^`]+?)\n```/g)].map(([, host, command]) => ({
    host: host!,
    command: command!,
  }));
}

/** What a command that stays in the foreground says when it has done its work. */
const DONE = /serves at|has joined|runs at/;

/**
 * A local cluster of bare hosts: machines that share nothing but the network, on which commands are typed as on machines of
 * their own. Whatever still runs ends with {@link Machines.purge}.
 */
export class Machines {
  readonly addresses = new Map<string, string>();
  private readonly cluster: string;
  private readonly running: ChildProcess[] = [];
  private token = "";

  constructor(cluster: string) {
    this.cluster = cluster;
  }

  async add(...names: string[]): Promise<void> {
    for (const name of names) {
      const said = await this.tri("host", "add", name);
      this.addresses.set(name, /is at (\S+)/.exec(said)![1]!);
    }
  }

  tri(...args: string[]): Promise<string> {
    return must(join(ROOT, "tri"), [...args, "--cluster", this.cluster], { cwd: ROOT, timeoutMs: 170_000 });
  }

  /** Types one command (`isRefused`: one that should not stay), with our machines' addresses and the newest token in their places. */
  async type({ host, command }: ReadmeCommand, isRefused = false): Promise<Finished> {
    const words = this.inPlace(command).split(" ");
    const stays = !isRefused && /^\.\/tri (server|agent) --name/.test(command);
    const args = ["host", "exec", "--cluster", this.cluster, host, "--", ...words];
    if (stays) return this.keepRunning(host, command, args);
    const done = await run(join(ROOT, "tri"), args, { cwd: ROOT, timeoutMs: 120_000 });
    if (/^\.\/tri token create/.test(command)) this.token = done.stdout.trim();
    return done;
  }

  /** Types every command of a section of the README; each has to succeed. */
  async follow(section: string): Promise<void> {
    const commands = readmeCommands(section);
    if (commands.length === 0) throw new Error(`no commands in section "${section}"`);
    for (const each of commands) {
      const done = await this.type(each);
      if (done.code !== 0) throw new Error(`${each.host}: ${each.command}: ${done.stdout}${done.stderr}`);
    }
  }

  get newestToken(): string {
    return this.token;
  }

  async purge(): Promise<void> {
    for (const child of this.running) child.kill("SIGTERM");
    await this.tri("down", "--purge");
  }

  private inPlace(command: string): string {
    let text = command.replace("--token TOKEN", `--token ${this.token}`);
    for (const [name, address] of this.addresses) {
      const last = { server: 10, node: 20 }[name.replace(/[0-9]+$/, "")] ?? 30;
      text = text.replaceAll(new RegExp(`\\b10\\.0\\.0\\.${last + Number(/[0-9]+$/.exec(name)![0])}\\b`, "g"), address);
    }
    return text;
  }

  /** What a host's processes said last. */
  private lastWords(host: string): string {
    const dir = `/var/lib/trireme/${this.cluster}/hosts/${host}/log`;
    const files = existsSync(dir) ? readdirSync(dir) : [];
    return files.map((file) => `${file}: ${readFileSync(join(dir, file), "utf8").slice(-2000)}`).join("\n");
  }

  /** Starts a command that stays, and comes back when it says that its work is done. */
  private async keepRunning(host: string, command: string, args: readonly string[]): Promise<Finished> {
    const child = spawn(join(ROOT, "tri"), args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    this.running.push(child);
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    await within(120_000, command, () => {
      if (child.exitCode !== null) return;
      if (!DONE.test(said)) throw new Error(`${said}\n${this.lastWords(host)}`);
    });
    return { code: child.exitCode ?? 0, stdout: said, stderr: "" };
  }
}
