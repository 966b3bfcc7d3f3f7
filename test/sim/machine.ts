import { type ErrorCode, errorFrom } from "@trireme/base";
import type { ConnectRequest } from "@trireme/proto/trireme/raft/v1/raft";
import type { Raft } from "@trireme/raft";
import { type StoreApp, type StoreConfig, startStore } from "@trireme/state-store";
import type { LogKeys, Logger, Registry } from "@trireme/telemetry";
import type { Coverage, Counted } from "./coverage.ts";
import { inspect } from "./inspection.ts";
import type { Oracle } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import { clockOf } from "./world/globals.ts";
import { leaving } from "./world/grpc.ts";
import { Host, type World } from "./world/world.ts";

/** Real settings; the scenario adds sizes of the log so small that segments and snapshots come and go within a minute. */
const SETTINGS = {
  clusterToken: "sim",
  pkiDir: "/pki",
  electionMs: 1000,
  clientPort: 2379,
  peerPort: 2380,
  metricsPort: 2381,
  quotaBytes: 64 * 1024 * 1024,
  corruptionCheckMs: 5000,
  autoCompactMs: 0,
  autoCompactBytes: 0,
} as const;

const NO_TLS = { ca: Buffer.alloc(0), cert: Buffer.alloc(0), key: Buffer.alloc(0) };

/** A process that could not start for a reason that passes is started again after this time. */
const START_AGAIN_MS = 500;

/** Reasons for which a process may refuse to start. Any other is a broken promise of the store. */
const MAY_REFUSE: ReadonlySet<ErrorCode> = new Set(["ServiceUnavailable", "NotFound", "Timeout"]);

/** What the log says, and what is counted for it. */
const COUNTED_LINES: ReadonlyMap<string, Counted> = new Map([
  ["a torn tail was cut off the log", "torn tails"],
  ["snapshot written", "snapshots written"],
  ["snapshot installed", "snapshots installed"],
]);

/** Lines that are a finding by themselves. */
const ALARMING: ReadonlySet<string> = new Set(["members differ", "a snapshot cannot be read"]);

const silent = { inc: () => undefined, dec: () => undefined, set: () => undefined, observe: () => undefined };
const NO_METRICS: Registry = {
  contentType: "",
  counter: () => ({ ...silent, series: () => silent }),
  gauge: () => ({ ...silent, remove: () => undefined }),
  histogram: () => ({ ...silent, series: () => silent }),
  render: () => Promise.resolve(""),
};

/** One member of a simulated store: the store's own program on a machine of a simulated world. */
export class Machine {
  readonly host: Host;
  /** Undefined while its process is down or starting. */
  app: StoreApp | undefined;
  id = 0n;
  /** It was removed from the cluster and is done. */
  removed = false;
  private isDead = false;
  private readonly world: World;
  private readonly oracle: Oracle;
  private readonly coverage: Coverage;
  private readonly config: StoreConfig;
  /** In which life the member of an id is, wherever it runs. */
  private readonly lifeOf: (id: bigint) => number | undefined;
  private readonly tell: (line: string) => void;
  /** Which machine it is, from 1. */
  readonly number: number;

  constructor(options: {
    readonly world: World;
    readonly oracle: Oracle;
    readonly coverage: Coverage;
    readonly number: number;
    readonly initialCluster: ReadonlyMap<string, string>;
    readonly joins: boolean;
    readonly scenario: Scenario;
    readonly lifeOf: (id: bigint) => number | undefined;
    readonly tell: (line: string) => void;
  }) {
    const { world, number, initialCluster, joins, scenario } = options;
    this.world = world;
    this.number = number;
    this.oracle = options.oracle;
    this.coverage = options.coverage;
    this.tell = options.tell;
    this.lifeOf = options.lifeOf;
    const name = `m${number}`;
    this.host = new Host(name, addressOf(number));
    world.addHost(this.host);
    this.config = {
      ...SETTINGS,
      ...scenario.sizes,
      heartbeatMs: scenario.heartbeatMs,
      name,
      dataDir: `/data/${name}`,
      address: this.host.address,
      initialCluster,
      initialClusterState: joins ? "existing" : "new",
    };
  }

  get clientAddress(): string {
    return `${this.host.address}:${SETTINGS.clientPort}`;
  }

  get peerUrl(): string {
    return `https://${this.host.address}:${SETTINGS.peerPort}`;
  }

  /** Whether its process runs and is not stopped. */
  get isAwake(): boolean {
    return this.app !== undefined && this.host.pausedUntil <= this.world.now;
  }

  /** Whether it serves. A joiner may still be on its way in, or wait for a place that it was not given. */
  get isSettled(): boolean {
    return this.app !== undefined && !this.app.replica.isLearner;
  }

  get raft(): Raft | undefined {
    return this.app === undefined ? undefined : (Reflect.get(this.app.replica, "raft") as Raft);
  }

  get isLeader(): boolean {
    return this.raft?.status().role === "leader";
  }

  /** Starts the process unless it runs. */
  start(): void {
    const { world, host } = this;
    if (host.up || this.removed || this.isDead) return;
    world.begin(host);
    world.on(host, host.life, 0, () => this.run());
  }

  private run(): void {
    const { world, host } = this;
    const { life } = host;
    startStore({
      config: this.config,
      tls: { client: NO_TLS, peer: NO_TLS },
      log: this.logger(),
      registry: NO_METRICS,
      clock: clockOf(),
      onFatal: (error) => this.died(error),
      onRemoved: () => this.leaves(),
    }).then(
      (app) => {
        if (host.life === life) this.started(app);
      },
      (thrown: unknown) => {
        const error = errorFrom(thrown);
        if (error.code === "Gone") this.leaves();
        else if (MAY_REFUSE.has(error.code)) this.crashed(START_AGAIN_MS);
        else if (this.isInjected(thrown)) this.died(thrown);
        else world.fail(Object.assign(new Error(`S7: does not start: ${error.message}`), { stack: error.stack }));
      },
    );
  }

  private started(app: StoreApp): void {
    this.app = app;
    const { oracle } = this;
    const raft = this.raft!;
    const { store } = app.replica;
    this.id = raft.status().id;
    oracle.recovered(this.id, raft, store);
    // What the member does to its state is watched here; the product has no hook for that and needs none.
    const apply = store.apply.bind(store);
    store.apply = (index, command) => {
      const outcome = apply(index, command);
      oracle.applied(raft, store, index, command, outcome);
      return outcome;
    };
    inspect({ host: this.host, world: this.world, oracle, coverage: this.coverage, app, raft, lifeOf: this.lifeOf });
    const replaceWith = store.replaceWith.bind(store);
    store.replaceWith = (other) => {
      replaceWith(other);
      oracle.adopted(store, "installed");
    };
  }

  /** After each step of its process. */
  look(): void {
    const { raft } = this;
    if (raft !== undefined) this.oracle.look(this.id, raft);
  }

  private isInjected(error: unknown): boolean {
    return (error as { code?: unknown }).code === "EIO";
  }

  /** The process ends itself: its log cannot be written. */
  private died(error: unknown): void {
    if (!this.isInjected(error)) {
      this.world.fail(error);
      return;
    }
    this.coverage.add("failed syncs");
    // The machine goes down with its disk: pages that the kernel calls clean would otherwise be read back as if durable.
    this.down(true);
    this.world.plan(1000, () => this.start());
  }

  private crashed(againMs: number): void {
    this.down(false);
    this.world.plan(againMs, () => this.start());
  }

  private leaves(): void {
    this.removed = true;
    this.down(false);
  }

  /** Ends the machine for ever. */
  bury(): void {
    this.isDead = true;
    this.down(true);
  }

  /** Ends the process at once. */
  down(powerLoss: boolean): void {
    this.app = undefined;
    if (this.host.up) this.world.end(this.host, powerLoss);
  }

  private logger(): Logger {
    const { world, host } = this;
    const line =
      (level: string) =>
      (message: string, keys: LogKeys = {}): void => {
        const counted = COUNTED_LINES.get(message);
        if (counted !== undefined) this.coverage.add(counted);
        if (ALARMING.has(message)) world.fail(new Error(`${message}: ${describe(keys)}`));
        // What the store asks of the world and a stand-in does not know would otherwise pass for a fault of the network.
        const unknown = keys["err"] instanceof Error && / is not a (function|constructor)/.test(keys["err"].message);
        if (unknown) world.fail(new Error(`a stand-in is behind the store: ${describe(keys)}`));
        this.tell(`${world.now.toFixed(2)} ${host.name} ${level} ${message} ${describe(keys)}`);
      };
    const logger: Logger = {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      child: () => logger,
    };
    return logger;
  }
}

/** A machine's address. */
export function addressOf(number: number): string {
  return `10.0.0.${number}`;
}

/** Where a machine's peers call it. */
export function peerAddressOf(number: number): string {
  return `${addressOf(number)}:${SETTINGS.peerPort}`;
}

function describe(keys: LogKeys): string {
  const text = (value: unknown): string => (value instanceof Error ? value.message : String(value));
  return Object.entries(keys)
    .map(([key, value]) => `${key}=${text(value)}`)
    .join(" ");
}

/** Shows every raft message to the oracle as it leaves its machine. */
export function watchPromises(oracle: Oracle): void {
  leaving.watch = (request) => oracle.promises(request as ConnectRequest);
}
