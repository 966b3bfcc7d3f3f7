// Three real stores for a test, each a process in a network namespace of its own, so that a link can be cut.
import { credentials, Metadata } from "@grpc/grpc-js";
import type { ChannelCredentials, ServiceError } from "@grpc/grpc-js";
import { createCa, issue, writeKeyPair, writePrivateFile } from "@trireme/pki";
import type { Ca, KeyPair } from "@trireme/pki";
import { KVClient, MaintenanceClient, PutRequest, RangeRequest } from "@trireme/proto/etcdserverpb/rpc";
import { execFile, execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../services/state-store/src/main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NAMES = ["server1", "server2", "server3"] as const;

/** Everything that a test waits for takes far less; a loaded machine gets more. */
const PATIENCE_MS = 40_000;

/** A member that is stopped or cut off does not answer at all. */
const STATUS_TIMEOUT_MS = 1000;

/** A member that was restarted is wanted at once. */
const CHANNEL_OPTIONS = {
  "grpc.max_reconnect_backoff_ms": 200,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.use_local_subchannel_pool": 1,
} as const;

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: "utf8", stdio: "pipe" });
const ip = (...args: string[]): string => run("ip", ...args);

/** What `etcdctl` said. */
export interface CommandResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** A member's answer to Maintenance.Status, the part that tests look at. `leader` 0: it knows none. */
export interface EndpointStatus {
  readonly memberId: bigint;
  readonly leader: bigint;
}

/** Resolves to what `probe` answers as soon as it answers something; throws with `what` when it takes too long. */
export async function until<T>(what: string, probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}`, { cause: last });
}

/** One replica. */
export class StoreMember {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
  private readonly cluster: StoreCluster;
  /** Whom it joins; undefined: it is one of the founders. */
  readonly joins: readonly StoreMember[] | undefined;
  private child: ChildProcess | undefined;
  private kv: KVClient | undefined;
  private maintenance: MaintenanceClient | undefined;

  constructor(
    cluster: StoreCluster,
    name: string,
    address: string,
    netns: string,
    joins: readonly StoreMember[] | undefined,
  ) {
    this.joins = joins;
    this.cluster = cluster;
    this.name = name;
    this.address = address;
    this.netns = netns;
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get logFile(): string {
    return join(this.cluster.dir, `${this.name}.log`);
  }

  get dataDir(): string {
    return join(this.cluster.dir, this.name, "data");
  }

  /** The URL under which the other members know it. */
  get peerUrl(): string {
    return `https://${this.address}:2380`;
  }

  /** Resolves to the code with which the process ends by itself. */
  async ended(): Promise<number | null> {
    const { child } = this;
    if (child === undefined) throw new Error(`${this.name} does not run`);
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => child.once("exit", resolve));
    }
    return child.exitCode;
  }

  log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  start(): void {
    const log = openSync(this.logFile, "a");
    const flags = this.cluster.flagsOf(this);
    this.child = spawn("ip", ["netns", "exec", this.netns, process.execPath, MAIN, ...flags], {
      cwd: ROOT,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    process.kill(this.pid, signal);
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await gone;
    }
    this.child = undefined;
    this.kv?.close();
    this.kv = undefined;
    this.maintenance?.close();
    this.maintenance = undefined;
  }

  private credentials(): ChannelCredentials {
    const { ca, operator } = this.cluster;
    return credentials.createSsl(Buffer.from(ca), Buffer.from(operator.key), Buffer.from(operator.cert));
  }

  private client(): KVClient {
    this.kv ??= new KVClient(`${this.address}:2379`, this.credentials(), CHANNEL_OPTIONS);
    return this.kv;
  }

  /** Resolves when the put is acknowledged. */
  put(key: string, value: string, timeoutMs = 8000): Promise<bigint> {
    return new Promise((resolve, reject) => {
      const request = PutRequest.fromPartial({ key: Buffer.from(key), value: Buffer.from(value) });
      const done = (error: ServiceError | null, response?: { header?: { revision: bigint } | undefined }): void =>
        error === null ? resolve(response?.header?.revision ?? 0n) : reject(error);
      this.client().put(request, new Metadata(), { deadline: Date.now() + timeoutMs }, done);
    });
  }

  /** The value of a key, or undefined when it is not there. */
  async get(key: string, options: { serializable?: boolean; timeoutMs?: number } = {}): Promise<string | undefined> {
    return (await this.range(key, "", options)).get(key);
  }

  /** Keys and values from `key` up to `end`. */
  range(
    key: string,
    end: string,
    options: { serializable?: boolean; timeoutMs?: number } = {},
  ): Promise<Map<string, string>> {
    return new Promise((resolve, reject) => {
      const { serializable = false, timeoutMs = 8000 } = options;
      const request = RangeRequest.fromPartial({ key: Buffer.from(key), rangeEnd: Buffer.from(end), serializable });
      this.client().range(request, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
        if (error !== null) reject(error);
        else resolve(new Map(response.kvs.map((kv) => [kv.key.toString(), kv.value.toString()])));
      });
    });
  }

  /** Runs etcdctl inside this member's own network, where it answers even when its link is cut. */
  etcdctl(...args: string[]): Promise<CommandResult> {
    return this.cluster.etcdctl([this], ["ip", "netns", "exec", this.netns], args);
  }

  /** What the member says of itself and its leader; undefined when it does not answer. */
  status(): Promise<EndpointStatus | undefined> {
    return new Promise((resolve) => {
      this.maintenance ??= new MaintenanceClient(`${this.address}:2379`, this.credentials(), CHANNEL_OPTIONS);
      const deadline = Date.now() + STATUS_TIMEOUT_MS;
      this.maintenance.status({}, new Metadata(), { deadline }, (error, response) => {
        if (error !== null || response.header === undefined) resolve(undefined);
        else resolve({ memberId: response.header.memberId, leader: response.leader });
      });
    });
  }

  /** Takes the member's link down at the switch, or up again: nothing arrives, nothing leaves. */
  link(state: "up" | "down"): void {
    ip("-n", this.cluster.fabric, "link", "set", `p-${this.name}`, state);
  }
}

/** The cluster and its private network. */
export class StoreCluster {
  readonly dir = mkdtempSync(join(tmpdir(), "trireme-store-"));
  readonly fabric = `st${process.pid}`;
  /** Those that founded the cluster, and who was added since. */
  readonly members: StoreMember[];
  readonly extraFlags: readonly string[];
  ca = "";
  operator: KeyPair = { cert: "", key: "" };
  private readonly subnet = `10.213.${process.pid % 250}`;
  private authorities: { store: Ca; peer: Ca } | undefined;

  constructor(extraFlags: readonly string[] = [], founders: readonly string[] = NAMES) {
    this.extraFlags = extraFlags;
    this.members = founders.map((name, i) => this.makeMember(name, i + 1, undefined));
  }

  private makeMember(name: string, host: number, joins: readonly StoreMember[] | undefined): StoreMember {
    return new StoreMember(this, name, `${this.subnet}.${host}`, `${this.fabric}-${host}`, joins);
  }

  /** Makes a machine and certificates for one more member; it joins those that are given, once it is started. */
  async prepare(name: string, joins: readonly StoreMember[]): Promise<StoreMember> {
    const member = this.makeMember(name, this.members.length + 1, joins);
    this.members.push(member);
    this.wireMember(member);
    await this.certify(member);
    return member;
  }

  flagsOf(member: StoreMember): string[] {
    const known =
      member.joins === undefined ? this.members.filter(({ joins }) => joins === undefined) : [...member.joins, member];
    const peers = known.map(({ name, address }) => `${name}=${address}:2380`).join(",");
    return [
      `--initial-cluster-state=${member.joins === undefined ? "new" : "existing"}`,
      `--name=${member.name}`,
      `--data-dir=${member.dataDir}`,
      `--address=${member.address}`,
      `--initial-cluster=${peers}`,
      "--cluster-token=store-raft-test",
      `--pki-dir=${join(this.dir, member.name, "pki")}`,
      ...this.extraFlags,
    ];
  }

  async start(): Promise<void> {
    this.wire();
    await this.writeCertificates();
    for (const member of this.members) member.start();
    await this.leader();
  }

  private wire(): void {
    ip("netns", "add", this.fabric);
    ip("-n", this.fabric, "link", "add", "br0", "type", "bridge");
    ip("-n", this.fabric, "link", "set", "br0", "up");
    // Our own leg, so that clients of the test reach every member.
    ip("link", "add", this.fabric, "type", "veth", "peer", "name", "p-root", "netns", this.fabric);
    this.plug("p-root");
    ip("addr", "add", `${this.subnet}.254/24`, "dev", this.fabric);
    ip("link", "set", this.fabric, "up");
    for (const member of this.members) this.wireMember(member);
  }

  private wireMember({ name, address, netns }: StoreMember): void {
    ip("netns", "add", netns);
    ip("-n", netns, "link", "set", "lo", "up");
    ip("-n", netns, "link", "add", "eth0", "type", "veth", "peer", "name", `p-${name}`, "netns", this.fabric);
    this.plug(`p-${name}`);
    ip("-n", netns, "addr", "add", `${address}/24`, "dev", "eth0");
    ip("-n", netns, "link", "set", "eth0", "up");
  }

  private plug(port: string): void {
    ip("-n", this.fabric, "link", "set", port, "master", "br0", "up");
  }

  private async writeCertificates(): Promise<void> {
    const store = await createCa("store CA");
    this.authorities = { store, peer: await createCa("peer CA") };
    this.ca = store.cert;
    this.operator = await issue({ ca: store, cn: "operator", o: "trireme:operators", client: true });
    writeKeyPair(this.dir, "operator", this.operator);
    writePrivateFile(join(this.dir, "ca.crt"), store.cert);
    for (const member of this.members) await this.certify(member);
  }

  private async certify({ name, address }: StoreMember): Promise<void> {
    if (this.authorities === undefined) throw new Error("the cluster has been started");
    const { store, peer } = this.authorities;
    const pki = join(this.dir, name, "pki");
    const sans = [address, "127.0.0.1", "localhost"];
    writePrivateFile(join(pki, "store-ca.crt"), store.cert);
    writePrivateFile(join(pki, "peer-ca.crt"), peer.cert);
    writeKeyPair(pki, "store-server", await issue({ ca: store, cn: name, sans, server: true }));
    const peerSans = [address, name];
    writeKeyPair(pki, "peer", await issue({ ca: peer, cn: name, sans: peerSans, server: true, client: true }));
  }

  /** The leader that a majority of the members sees, once it answers reads. */
  async leader(among: readonly StoreMember[] = this.members): Promise<StoreMember> {
    return until("a leader", async () => {
      const seen = await Promise.all(among.map(async (member) => ({ member, status: await member.status() })));
      const votes = seen.filter(({ status }) => status !== undefined && status.leader !== 0n);
      const leader = seen.find(({ status }) => status !== undefined && status.memberId === status.leader);
      if (leader === undefined) return undefined;
      const agree = votes.filter(({ status }) => status?.leader === leader.status?.memberId);
      if (agree.length < Math.min(2, among.length)) return undefined;
      await leader.member.get("nothing", { timeoutMs: 1000 });
      return leader.member;
    });
  }

  others(...members: readonly StoreMember[]): StoreMember[] {
    return this.members.filter((member) => !members.includes(member));
  }

  /** Runs etcdctl against the given members, through `prefix` (a network namespace). */
  etcdctl(members: readonly StoreMember[], prefix: readonly string[], args: readonly string[]): Promise<CommandResult> {
    const [command = "etcdctl", ...rest] = [...prefix, "etcdctl", ...this.etcdctlFlags(members), ...args];
    const env = { ...process.env, ETCDCTL_API: "3" };
    return new Promise((resolve) => {
      execFile(command, rest, { encoding: "utf8", env, timeout: PATIENCE_MS }, (error, stdout, stderr) => {
        resolve({ ok: error === null, stdout, stderr });
      });
    });
  }

  etcdctlFlags(members: readonly StoreMember[]): string[] {
    return [
      `--endpoints=${members.map(({ address }) => `${address}:2379`).join(",")}`,
      `--cacert=${join(this.dir, "ca.crt")}`,
      `--cert=${join(this.dir, "operator.crt")}`,
      `--key=${join(this.dir, "operator.key")}`,
    ];
  }

  async stop(): Promise<void> {
    for (const member of this.members) await member.kill().catch(() => undefined);
    for (const { netns } of this.members) tryIp("netns", "del", netns);
    tryIp("link", "del", this.fabric);
    tryIp("netns", "del", this.fabric);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Cleaning up goes on when a part of it was never made. */
function tryIp(...args: string[]): void {
  try {
    ip(...args);
  } catch (error) {
    if (process.env["VERBOSE"] !== undefined) console.error((error as Error).message);
  }
}
