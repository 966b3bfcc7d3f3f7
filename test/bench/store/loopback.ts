// Three replicas on loopback, ours or etcd's, as processes of their own: what the store's bounds and bench measure.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChannelCredentials, Metadata, credentials } from "@grpc/grpc-js";
import { sleep } from "@trireme/base";
import { type KeyPair, createCa, issue, writeKeyPair, writePrivateFile } from "@trireme/pki";
import { MaintenanceClient, type StatusResponse } from "@trireme/proto/etcdserverpb/rpc";
import { type StoreClient, createStoreClient } from "@trireme/store-client";
import { STORE_ENVIRONMENT, STORE_NODE_FLAGS } from "../../../services/cli/src/plan/processes.ts";
import { PROBE_FLAGS, type ProbeReading, probeEnvironment, readProbe } from "./probe.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const HOST = "127.0.0.1";
const NAMES = ["server1", "server2", "server3"] as const;

/** The bundle that clusters run; the sources would take another 45 MB. */
const BUNDLE = join(ROOT, ".build", "state-store.mjs");

/** Everything waited for takes far less; a loaded machine gets more. */
const PATIENCE_MS = 60_000;
const STATUS_TIMEOUT_MS = 1000;

/** A member that was restarted is wanted at once. */
const CHANNEL_OPTIONS = {
  "grpc.max_reconnect_backoff_ms": 200,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.use_local_subchannel_pool": 1,
} as const;

/** Which program: the bundle of this clone, or Debian's etcd. */
export type Program = "trireme" | "etcd";

export interface LoopbackOptions {
  readonly program?: Program;
  /** Further flags of every member. */
  readonly flags?: readonly string[];
  /** Whether each member carries a probe of its event loop and memory. */
  readonly probed?: boolean;
}

/** One replica. */
export interface LoopbackMember {
  readonly name: string;
  readonly endpoint: string;
  readonly peerAddress: string;
  readonly metricsPort: number;
  readonly dir: string;
  child: ChildProcess | undefined;
}

/** The cluster: its processes, certificates and files, under one folder that goes with it. */
export class LoopbackStores {
  readonly dir = mkdtempSync(join(tmpdir(), "trireme-bench-"));
  readonly members: LoopbackMember[];
  ca = "";
  /** May do everything. */
  client: KeyPair = { cert: "", key: "" };
  private readonly options: LoopbackOptions;
  private readonly status = new Map<LoopbackMember, MaintenanceClient>();

  private constructor(options: LoopbackOptions, ports: readonly number[]) {
    this.options = options;
    this.members = NAMES.map((name, i) => ({
      name,
      endpoint: `${HOST}:${ports[3 * i]}`,
      peerAddress: `${HOST}:${ports[3 * i + 1]}`,
      metricsPort: ports[3 * i + 2]!,
      dir: join(this.dir, name),
      child: undefined,
    }));
  }

  /** Starts three members and waits for their leader. */
  static async start(options: LoopbackOptions = {}): Promise<LoopbackStores> {
    if ((options.program ?? "trireme") === "trireme" && !existsSync(BUNDLE)) {
      throw new Error(`${BUNDLE} is missing; ./tri builds it`);
    }
    const stores = new LoopbackStores(options, await freePorts(3 * NAMES.length));
    try {
      await stores.certify();
      for (const member of stores.members) stores.run(member);
      await stores.leader();
    } catch (error) {
      const logs = stores.members.map((member) => stores.log(member).slice(-2000)).join("\n");
      await stores.stop();
      throw new Error(`three stores do not start:\n${logs}`, { cause: error });
    }
    return stores;
  }

  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  credentials(): ChannelCredentials {
    const { ca, client } = this;
    return credentials.createSsl(Buffer.from(ca), Buffer.from(client.key), Buffer.from(client.cert));
  }

  /** Where the files of the client's certificate lie, as etcdctl takes them. */
  etcdctlFlags(members: readonly LoopbackMember[] = this.members): string[] {
    return [
      `--endpoints=${members.map(({ endpoint }) => endpoint).join(",")}`,
      `--cacert=${join(this.dir, "ca.crt")}`,
      `--cert=${join(this.dir, "client.crt")}`,
      `--key=${join(this.dir, "client.key")}`,
    ];
  }

  run(member: LoopbackMember): void {
    const log = openSync(join(this.dir, `${member.name}.log`), "a");
    const [program, ...args] = this.options.program === "etcd" ? this.etcd(member) : this.trireme(member);
    const env = { ...process.env, ...STORE_ENVIRONMENT, ...probeEnvironment(this.probeFile(member)) };
    member.child = spawn(program!, args, { cwd: ROOT, stdio: ["ignore", log, log], env });
    closeSync(log);
  }

  pid(member: LoopbackMember): number {
    const pid = member.child?.pid;
    if (pid === undefined) throw new Error(`${member.name} does not run`);
    return pid;
  }

  /** A client of our own protocol, all requests on one stream. */
  session(): StoreClient {
    const { ca, client, endpoints } = this;
    const tls = { ca: Buffer.from(ca), cert: Buffer.from(client.cert), key: Buffer.from(client.key) };
    return createStoreClient({ endpoints, tls });
  }

  /** What a probed member says of the time since it was last asked. */
  probe(member: LoopbackMember): Promise<ProbeReading> {
    return readProbe(this.pid(member), this.probeFile(member));
  }

  private probeFile(member: LoopbackMember): string {
    return join(this.dir, `${member.name}.probe.json`);
  }

  log(member: LoopbackMember): string {
    const file = join(this.dir, `${member.name}.log`);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  async kill(member: LoopbackMember): Promise<void> {
    const { child } = member;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await gone;
    }
    member.child = undefined;
    this.status.get(member)?.close();
    this.status.delete(member);
  }

  /** What a member says of itself; undefined when it does not answer. */
  statusOf(member: LoopbackMember): Promise<StatusResponse | undefined> {
    const client =
      this.status.get(member) ?? new MaintenanceClient(member.endpoint, this.credentials(), CHANNEL_OPTIONS);
    this.status.set(member, client);
    return new Promise((resolve) => {
      client.status({}, new Metadata(), { deadline: Date.now() + STATUS_TIMEOUT_MS }, (error, response) => {
        resolve(error === null ? response : undefined);
      });
    });
  }

  /** The leader on whom all that run agree, and its term. */
  async leader(): Promise<{ member: LoopbackMember; term: bigint }> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      const up = this.members.filter(({ child }) => child !== undefined);
      const seen = await Promise.all(up.map(async (member) => ({ member, status: await this.statusOf(member) })));
      const [first] = seen;
      const agreed = seen.every(({ status }) => status !== undefined && status.leader === first?.status?.leader);
      const leader = seen.find(({ status }) => status?.header?.memberId === status?.leader && status !== undefined);
      if (agreed && leader?.status !== undefined) return { member: leader.member, term: leader.status.raftTerm };
      await sleep(50);
    }
    throw new Error("waited in vain for a leader");
  }

  /** Ends all processes and removes every file. */
  async stop(): Promise<void> {
    for (const member of this.members) await this.kill(member);
    rmSync(this.dir, { recursive: true, force: true });
  }

  private trireme(member: LoopbackMember): string[] {
    const [, clientPort] = member.endpoint.split(":");
    const [, peerPort] = member.peerAddress.split(":");
    const peers = this.members.map(({ name, peerAddress }) => `${name}=${peerAddress}`).join(",");
    return [
      process.execPath,
      ...STORE_NODE_FLAGS,
      ...(this.options.probed === true ? PROBE_FLAGS : []),
      BUNDLE,
      `--name=${member.name}`,
      `--data-dir=${join(member.dir, "data")}`,
      `--address=${HOST}`,
      `--client-port=${clientPort}`,
      `--peer-port=${peerPort}`,
      `--metrics-port=${member.metricsPort}`,
      `--initial-cluster=${peers}`,
      "--cluster-token=bench",
      `--pki-dir=${join(member.dir, "pki")}`,
      ...(this.options.flags ?? []),
    ];
  }

  private etcd(member: LoopbackMember): string[] {
    const pki = join(member.dir, "pki");
    const peers = this.members.map(({ name, peerAddress }) => `${name}=https://${peerAddress}`).join(",");
    return [
      "etcd",
      `--name=${member.name}`,
      `--data-dir=${join(member.dir, "data")}`,
      `--listen-client-urls=https://${member.endpoint}`,
      `--advertise-client-urls=https://${member.endpoint}`,
      `--listen-peer-urls=https://${member.peerAddress}`,
      `--initial-advertise-peer-urls=https://${member.peerAddress}`,
      `--initial-cluster=${peers}`,
      "--initial-cluster-token=bench",
      "--initial-cluster-state=new",
      ...["cert", "key"].map((kind) => `--${kind}-file=${join(pki, `store-server.${kind === "key" ? "key" : "crt"}`)}`),
      `--trusted-ca-file=${join(pki, "store-ca.crt")}`,
      "--client-cert-auth",
      ...["cert", "key"].map((kind) => `--peer-${kind}-file=${join(pki, `peer.${kind === "key" ? "key" : "crt"}`)}`),
      `--peer-trusted-ca-file=${join(pki, "peer-ca.crt")}`,
      "--peer-client-cert-auth",
      ...(this.options.flags ?? []),
    ];
  }

  private async certify(): Promise<void> {
    const store = await createCa("store CA");
    const peer = await createCa("peer CA");
    this.ca = store.cert;
    this.client = await issue({ ca: store, cn: "bench", o: "trireme:apiservers", client: true });
    writeKeyPair(this.dir, "client", this.client);
    writePrivateFile(join(this.dir, "ca.crt"), store.cert);
    for (const { name, dir } of this.members) {
      const pki = join(dir, "pki");
      mkdirSync(pki, { recursive: true });
      writePrivateFile(join(pki, "store-ca.crt"), store.cert);
      writePrivateFile(join(pki, "peer-ca.crt"), peer.cert);
      const sans = [HOST, "localhost", name];
      // etcd's gateway dials its own server with the server's certificate.
      writeKeyPair(pki, "store-server", await issue({ ca: store, cn: name, sans, server: true, client: true }));
      writeKeyPair(pki, "peer", await issue({ ca: peer, cn: name, sans, server: true, client: true }));
    }
  }
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, HOST, resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
