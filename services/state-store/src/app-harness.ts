// Members of a store in this process, over real sockets, TLS and files: for tests.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ServiceError, credentials } from "@grpc/grpc-js";
import { type Ca, type KeyPair, createCa, issue } from "@trireme/pki";
import { ClusterClient, KVClient, LeaseClient, MaintenanceClient, WatchClient } from "@trireme/proto/etcdserverpb/rpc";
import { createRegistry, silentLogger } from "@trireme/telemetry";
import { type StoreApp, startStore } from "./app.ts";
import type { StoreConfig } from "./config.ts";
import type { TlsFiles } from "./tls.ts";

/** A unary call as a promise: `call<PutResponse>((done) => kv.put(request, done))`. */
export function call<A>(run: (done: (error: ServiceError | null, response: A) => void) => unknown): Promise<A> {
  return new Promise((resolve, reject) => {
    run((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

/** etcd's clients for one member. */
export interface Clients {
  readonly kv: KVClient;
  readonly lease: LeaseClient;
  readonly cluster: ClusterClient;
  readonly maintenance: MaintenanceClient;
  readonly watch: WatchClient;
}

/** One authority, one folder, and members that come and go. */
export class StoreHarness {
  readonly dir = mkdtempSync(path.join(tmpdir(), "store-"));
  readonly ca: Ca;
  readonly apps = new Map<string, StoreApp>();
  /** Members that were told that they had been removed. */
  readonly removed: string[] = [];
  /** How many members the others knew when that one left. */
  readonly knownThen = new Map<string, readonly number[]>();
  private readonly operator: KeyPair;
  private readonly opened: { close(): void }[] = [];

  private constructor(ca: Ca, operator: KeyPair) {
    this.ca = ca;
    this.operator = operator;
  }

  static async create(): Promise<StoreHarness> {
    const ca = await createCa("store test CA");
    return new StoreHarness(ca, await issue({ ca, cn: "operator", o: "trireme:operators", client: true }));
  }

  files(pair: KeyPair): TlsFiles {
    return { ca: Buffer.from(this.ca.cert), cert: Buffer.from(pair.cert), key: Buffer.from(pair.key) };
  }

  /** A configuration with free ports and small bounds. */
  async config(name: string, address: string, more: Partial<StoreConfig> = {}): Promise<StoreConfig> {
    const [clientPort, peerPort, metricsPort] = await freePorts(address);
    return {
      name,
      dataDir: path.join(this.dir, name),
      address,
      initialCluster: new Map([[name, `${address}:${peerPort}`]]),
      initialClusterState: "new",
      clusterToken: "test",
      pkiDir: "unused",
      heartbeatMs: 50,
      electionMs: 500,
      clientPort,
      peerPort,
      metricsPort,
      walSegmentBytes: 256 * 1024,
      snapshotBytes: 64 * 1024,
      trailingEntries: 5000,
      quotaBytes: 16 * 1024 * 1024,
      corruptionCheckMs: 0,
      autoCompactMs: 0,
      autoCompactBytes: 0,
      ...more,
    };
  }

  async start(config: StoreConfig): Promise<StoreApp> {
    const { name, address } = config;
    const pair = await issue({ ca: this.ca, cn: name, sans: [address, "localhost", name], server: true, client: true });
    const app = await startStore({
      config,
      tls: { client: this.files(pair), peer: this.files(pair) },
      log: silentLogger,
      registry: createRegistry({ processMetrics: false }),
      onFatal: (error) => {
        throw error;
      },
      onRemoved: () => {
        this.removed.push(name);
        const others = [...this.apps].filter(([other]) => other !== name);
        this.knownThen.set(
          name,
          others.map(([, { replica }]) => replica.store.members.size),
        );
      },
    });
    this.apps.set(name, app);
    return app;
  }

  async stop(name: string): Promise<void> {
    await this.apps.get(name)?.stop();
    this.apps.delete(name);
  }

  clients(config: StoreConfig, pair: KeyPair = this.operator): Clients {
    const { ca, cert, key } = this.files(pair);
    const open = <C extends { close(): void }>(
      Client: new (address: string, tls: ReturnType<typeof tlsOf>) => C,
    ): C => {
      const client = new Client(`${config.address}:${config.clientPort}`, tlsOf());
      this.opened.push(client);
      return client;
    };
    const tlsOf = () => credentials.createSsl(ca, key, cert);
    return {
      kv: open(KVClient),
      lease: open(LeaseClient),
      cluster: open(ClusterClient),
      maintenance: open(MaintenanceClient),
      watch: open(WatchClient),
    };
  }

  async close(): Promise<void> {
    for (const client of this.opened) client.close();
    await Promise.all([...this.apps.keys()].map((name) => this.stop(name)));
    rmSync(this.dir, { recursive: true });
  }
}

async function freePorts(address: string): Promise<[number, number, number]> {
  const probes = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<{ port: number; close: () => void }>((resolve) => {
          const probe = createServer();
          probe.listen(0, address, () => {
            resolve({ port: (probe.address() as { port: number }).port, close: () => probe.close() });
          });
        }),
    ),
  );
  for (const { close } of probes) close();
  return probes.map(({ port }) => port) as [number, number, number];
}
