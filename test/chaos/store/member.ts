import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type HostFile, DEFAULT_RANGES } from "../../../services/cli/src/plan/host-file.ts";
import { childrenOf } from "../../../services/cli/src/plan/processes.ts";
import { Connection, type Identity } from "./connection.ts";
import type { Host } from "./network.ts";

/** Where ./tri puts the programs. */
export const BUNDLES = fileURLToPath(new URL("../../../.build", import.meta.url));

/** A line of a member's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly at: number;
  readonly text: string;
  readonly [key: string]: unknown;
}

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Who a member begins with, and how. */
export interface Birth {
  readonly state: "new" | "existing";
  readonly others: readonly Host[];
}

/** How one start differs from the ordinary. */
export interface Start {
  /** Another release's folder of programs. */
  readonly bundles?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Another cluster's name. */
  readonly token?: string;
}

/** One replica: a real process, started with the very command of the server's supervisor. */
export class Member {
  readonly host: Host;
  /** Its machine's folder. */
  readonly dir: string;
  birth: Birth;
  connection: Connection;
  private readonly flags: readonly string[];
  private readonly identity: Identity;
  private child: ChildProcess | undefined;
  private end: Promise<End> | undefined;

  constructor(options: {
    readonly host: Host;
    readonly dir: string;
    readonly birth: Birth;
    readonly flags: readonly string[];
    readonly identity: Identity;
  }) {
    this.host = options.host;
    this.dir = options.dir;
    this.birth = options.birth;
    this.flags = options.flags;
    this.identity = options.identity;
    this.connection = new Connection(options.host.address, options.identity);
    mkdirSync(join(this.dir, "log"), { recursive: true });
  }

  get name(): string {
    return this.host.name;
  }

  get dataDir(): string {
    return join(this.dir, "store");
  }

  get peerUrl(): string {
    return `https://${this.host.address}:2380`;
  }

  get isUp(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  get pid(): number {
    if (this.child?.pid === undefined || !this.isUp) throw new Error(`${this.name} does not run`);
    return this.child.pid;
  }

  start(start: Start = {}): void {
    const { address } = this.host;
    const servers = [...this.birth.others, this.host].map(({ name, address: at }) => ({ name, address: at }));
    const file: HostFile = {
      cluster: start.token ?? "faults",
      name: this.name,
      role: "server",
      address,
      servers,
      ...DEFAULT_RANGES,
      phase: "joined",
      store: {
        initialCluster: servers.map(({ name, address: at }) => `${name}=${at}:2380`).join(","),
        initialState: this.birth.state,
      },
    };
    const machine = { name: this.name, role: "server", address, dir: this.dir, cgroup: "" } as const;
    const programs = { node: process.execPath, bundles: start.bundles ?? BUNDLES, built: new Set(["state-store"]) };
    const store = childrenOf(file, machine, programs).find(({ name }) => name === "store");
    if (store === undefined) throw new Error("a server has a store");
    const command = [...store.command, ...this.flags, ...(start.flags ?? [])];
    const log = openSync(store.logFile, "a");
    this.child = spawn("nsenter", [`--net=/run/netns/${this.host.netns}`, ...command], {
      cwd: "/",
      stdio: ["ignore", log, log],
      env: { ...process.env, ...store.env, NODE_COMPILE_CACHE: join(BUNDLES, "compile-cache"), ...start.env },
    });
    closeSync(log);
    const { child } = this;
    this.end = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    try {
      setPriority(child.pid!, store.nice ?? 0);
    } catch {
      // As the supervisor: where it is not permitted the store runs like everybody.
    }
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<End> {
    if (this.end === undefined) throw new Error(`${this.name} was never started`);
    return this.end;
  }

  async kill(): Promise<End> {
    if (this.isUp) process.kill(this.pid, "SIGKILL");
    return this.ended();
  }

  /** Stops it as its supervisor does. */
  async stop(): Promise<End> {
    if (this.isUp) process.kill(this.pid, "SIGTERM");
    return this.ended();
  }

  freeze(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.pid, "SIGCONT");
  }

  /** The process's state as the kernel tells it: "T" is stopped. */
  get kernelState(): string {
    return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1] ?? "?";
  }

  /** Resident memory, MiB. */
  get residentMiB(): number {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  }

  /** Forgets everything that it had on disk. */
  wipe(): void {
    if (!existsSync(this.dataDir)) return;
    // The folder stays: it may be where a disk is mounted.
    for (const name of readdirSync(this.dataDir)) rmSync(join(this.dataDir, name), { recursive: true, force: true });
  }

  /** New connections: after a machine was away for long the old ones wait for their back-off. */
  reconnect(): void {
    this.connection.close();
    this.connection = new Connection(this.host.address, this.identity);
  }

  private read = 0;
  private readonly lines: LogLine[] = [];

  /** What it has logged so far, over all its lives. */
  log(): readonly LogLine[] {
    const file = join(this.dir, "log", "store.log");
    if (!existsSync(file)) return this.lines;
    const text = readFileSync(file, "utf8");
    const whole = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(this.read, whole).split("\n")) if (line !== "") this.lines.push(parsed(line));
    this.read = whole;
    return this.lines;
  }

  /** The first line behind the first `from` that begins so. */
  logged(message: string, from = 0): LogLine | undefined {
    return this.log()
      .slice(from)
      .find(({ msg }) => msg.startsWith(message));
  }
}

function parsed(text: string): LogLine {
  if (!text.startsWith("{")) return { level: "none", msg: text, at: 0, text };
  const keys = JSON.parse(text) as Record<string, unknown>;
  const { level, msg, time } = keys;
  return { ...keys, level: String(level), msg: String(msg), at: new Date(time as string | number).getTime(), text };
}
