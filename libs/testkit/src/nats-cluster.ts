import {
  type Bus,
  type BusPermissions,
  type BusTls,
  type NatsCredentials,
  createAccount,
  createNatsBus,
  createOperator,
  createUser,
  natsServerConfig,
} from "@trireme/bus";
import { type KeyPair, createCa, issue } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where Debian puts it; a test process may run without `/usr/sbin` in PATH. */
const BINARY = existsSync("/usr/sbin/nats-server") ? "/usr/sbin/nats-server" : "nats-server";

/** A real nats-server needs some ten milliseconds; a loaded machine gets more. */
const START_TIMEOUT_MS = 10_000;

/** Real nats-servers as children of a test, on the loopback, with certificates and identities of their own. */
export interface NatsCluster {
  /** `host:port` of each server. */
  readonly servers: readonly string[];
  readonly tls: BusTls;
  /** A certificate of an authority that the cluster does not know. */
  readonly foreignTls: BusTls;
  credentials(permissions: BusPermissions, expires?: number): NatsCredentials;
  /** A credential of an account that the cluster does not know. */
  foreignCredentials(permissions: BusPermissions): NatsCredentials;
  connect(permissions: BusPermissions, options?: { servers?: readonly string[]; log?: Logger }): Bus;
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  /** SIGSTOP or SIGCONT. */
  signal(index: number, signal: "SIGSTOP" | "SIGCONT"): void;
  logOf(index: number): Promise<string>;
  stop(): Promise<void>;
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nats-server exited with ${child.exitCode}`);
    if (performance.now() > deadline) throw new Error(`nats-server does not listen on ${port}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("close", () => socket.destroy());
      socket.once("connect", () => socket.end());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Starts `count` servers; client ports from `basePort`, route ports from `basePort + count`. */
export async function startNatsCluster(count: number, basePort: number): Promise<NatsCluster> {
  const dir = await mkdtemp(join(tmpdir(), "trireme-nats-"));
  const ca = await createCa("test CA");
  const server = await issue({ ca, cn: "nats", sans: ["nats.trireme", "127.0.0.1"], server: true, client: true });
  const client = await issue({ ca, cn: "test", client: true });
  const foreignCa = await createCa("foreign CA");
  const foreign: KeyPair = await issue({ ca: foreignCa, cn: "test", client: true });
  const operator = createOperator("test");
  const account = createAccount("test", operator);
  const routes = Array.from({ length: count }, (_, i) => `127.0.0.1:${basePort + count + i}`);
  const children: (ChildProcess | undefined)[] = [];
  const files = { caFile: join(dir, "ca.crt"), certFile: join(dir, "nats.crt"), keyFile: join(dir, "nats.key") };
  await writeFile(files.caFile, ca.cert);
  await writeFile(files.certFile, server.cert);
  await writeFile(files.keyFile, server.key, { mode: 0o600 });

  async function start(index: number): Promise<void> {
    const config = join(dir, `nats-${index}.conf`);
    await writeFile(
      config,
      natsServerConfig({
        serverName: `s${index}`,
        clusterName: "test",
        listenHost: "127.0.0.1",
        clientPort: basePort + index,
        routePort: basePort + count + index,
        monitorPort: 0,
        routes,
        ...files,
        operator,
        account,
        logFile: join(dir, `nats-${index}.log`),
      }),
    );
    const child = spawn(BINARY, ["-c", config], { stdio: "ignore" });
    children[index] = child;
    await untilListening(basePort + index, child);
  }

  for (let i = 0; i < count; i++) await start(i);
  const servers = Array.from({ length: count }, (_, i) => `127.0.0.1:${basePort + i}`);
  const tls: BusTls = { ca: ca.cert, ...client };
  const credentials = (permissions: BusPermissions, expires?: number): NatsCredentials =>
    createUser({ name: "test", ...permissions, ...(expires === undefined ? {} : { expires }) }, account);
  return {
    servers,
    tls,
    foreignTls: { ca: ca.cert, ...foreign },
    credentials,
    foreignCredentials: (permissions) =>
      createUser({ name: "test", ...permissions }, createAccount("foreign", createOperator("foreign"))),
    connect(permissions, options = {}) {
      const own = credentials(permissions);
      return createNatsBus({
        servers: options.servers ?? servers,
        tls: () => tls,
        credentials: () => own,
        name: "test",
        ...(options.log === undefined ? {} : { log: options.log }),
      });
    },
    async kill(index) {
      const child = children[index];
      child?.kill("SIGKILL");
      if (child !== undefined) await exited(child);
    },
    start,
    signal: (index, signal) => void children[index]?.kill(signal),
    logOf: (index) => readFile(join(dir, `nats-${index}.log`), "utf8"),
    async stop() {
      for (const child of children) child?.kill("SIGKILL");
      await Promise.all(children.filter((child) => child !== undefined).map(exited));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
