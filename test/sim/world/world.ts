import { type Prng, createPrng } from "@trireme/base";
import { crc32 } from "node:zlib";
import { EventQueue, type SimEvent } from "./event-queue.ts";
import { SimDisk } from "./disk.ts";
import type { SimNetwork } from "./network.ts";

/** Runs every promise job and tick callback that is due: Node's own, callable from outside, so that a step is synchronous. */
const drainJobs = (process as unknown as { _tickCallback: () => void })._tickCallback;

/** What went against an invariant, and where. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Throws a {@link Violation} unless `condition` holds. The message begins with the invariant's name. */
export function must(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}

/** One machine: a process that lives and dies, its disk, and its clock. */
export class Host {
  readonly name: string;
  readonly address: string;
  readonly disk: SimDisk;
  /** Grows with each start and each end of the process: what belongs to another life never happens. */
  life = 0;
  up = false;
  /** The process is stopped until then; the kernel beneath it goes on. */
  pausedUntil = 0;
  /** Something that befalls it after so many more of its steps: between any two, not only when it waits. */
  ambush: { steps: number; readonly act: () => void } | undefined;
  /** How fast its clock runs. */
  rate = 1;
  private clockBase = 0;
  private clockAt = 0;
  /** How far its wall clock is off, milliseconds. */
  wallOffset = 0;

  constructor(name: string, address: string) {
    this.name = name;
    this.address = address;
    this.disk = new SimDisk();
  }

  /** What its monotonic clock says at a moment. */
  monotonic(now: number): number {
    return this.clockBase + (now - this.clockAt) * this.rate;
  }

  /** From now on its clock runs at this rate. */
  drift(now: number, rate: number): void {
    this.clockBase = this.monotonic(now);
    this.clockAt = now;
    this.rate = rate;
  }
}

/** A seed's streams of chance, apart so that a new kind of fault does not shift the others. */
export interface Chances {
  readonly net: Prng;
  readonly disk: Prng;
  readonly faults: Prng;
  readonly work: Prng;
  readonly process: Prng;
  readonly scenario: Prng;
}

/** One simulated world: virtual time, machines, network. Exactly one is {@link world} at a time. */
export class World {
  now = 0;
  readonly chance: Chances;
  readonly hosts = new Map<string, Host>();
  network!: SimNetwork;
  /** Whose code runs; undefined: the world's own, clients and faults. */
  current: Host | undefined;
  currentLife = 0;
  /** The first thing that went against an invariant. */
  violation: Error | undefined;
  /** Folds everything that happens into one number: two runs of one seed must agree in it. */
  traceHash = 0;
  steps = 0;
  /** Looks at a machine after each of its steps. */
  afterStep: (host: Host) => void = () => undefined;
  private readonly queue = new EventQueue();
  private sequence = 0;
  private readonly scratch = Buffer.alloc(24);

  constructor(seed: number) {
    const stream = (number: number): Prng => createPrng(Math.imul(seed, 0x9e3779b1) + number * 0x85ebca6b);
    this.chance = {
      net: stream(1),
      disk: stream(2),
      faults: stream(3),
      work: stream(4),
      process: stream(5),
      scenario: stream(6),
    };
  }

  /** Does something later, as the code that runs now and in its life; `kernel`: although its process may be stopped. */
  after(ms: number, act: () => void, kernel = false): SimEvent {
    return this.schedule(this.now + ms, this.current, this.currentLife, act, kernel);
  }

  /** Does something later as the world itself. */
  plan(ms: number, act: () => void): SimEvent {
    return this.schedule(this.now + ms, undefined, 0, act, false);
  }

  /** Does something later on a machine, if it still lives that life then. */
  on(host: Host | undefined, life: number, ms: number, act: () => void): SimEvent {
    return this.schedule(this.now + ms, host, life, act, false);
  }

  private schedule(at: number, host: Host | undefined, life: number, act: () => void, kernel: boolean): SimEvent {
    const event: SimEvent = { at, sequence: ++this.sequence, host, life, act, kernel, live: true };
    this.queue.push(event);
    return event;
  }

  /** Milliseconds that pass on the clock of whoever asks, as virtual time. */
  toVirtual(ms: number): number {
    return this.current === undefined ? ms : ms / this.current.rate;
  }

  /** Runs `act` now as a machine's process, to its last promise job. */
  as(host: Host | undefined, act: () => void): void {
    const [outer, outerLife] = [this.current, this.currentLife];
    this.current = host;
    this.currentLife = host?.life ?? 0;
    try {
      act();
      drainJobs();
      if (host !== undefined) this.afterStep(host);
    } catch (error) {
      this.fail(error);
    } finally {
      this.current = outer;
      this.currentLife = outerLife;
    }
  }

  /** Remembers the first violation; what follows it means nothing. */
  fail(error: unknown): void {
    const text = error instanceof Error ? error : new Error(String(error));
    if (this.violation !== undefined) return;
    const where = this.current === undefined ? "" : ` [${this.current.name}]`;
    if (text.name !== "Violation") text.message = `assertion or crash${where}: ${text.message}`;
    this.violation = text;
  }

  /** Runs the world until a moment, or until something is violated. */
  runUntil(until: number): void {
    for (;;) {
      const event = this.queue.peek();
      if (event === undefined || event.at > until || this.violation !== undefined) break;
      this.queue.pop();
      this.now = Math.max(this.now, event.at);
      if (!event.live) continue;
      const { host } = event;
      if (host !== undefined) {
        if (host.life !== event.life) continue;
        if (host.pausedUntil > this.now && !event.kernel) {
          event.at = host.pausedUntil;
          this.queue.push(event);
          continue;
        }
      }
      event.live = false;
      this.steps += 1;
      this.as(host, event.act);
      if (host?.ambush !== undefined) this.spring(host, host.ambush);
    }
    if (this.violation === undefined) this.now = until;
  }

  private spring(host: Host, ambush: NonNullable<Host["ambush"]>): void {
    if (--ambush.steps > 0) return;
    host.ambush = undefined;
    this.as(undefined, ambush.act);
  }

  /** Folds something that happened into the trace's hash. */
  trace(kind: number, detail: number): void {
    this.scratch.writeDoubleLE(this.now, 0);
    this.scratch.writeUInt32LE(kind >>> 0, 8);
    this.scratch.writeUInt32LE(detail >>> 0, 12);
    this.traceHash = crc32(this.scratch.subarray(0, 16), this.traceHash);
  }

  /** A machine is there. */
  addHost(host: Host): void {
    this.hosts.set(host.name, host);
  }

  /** The process of a machine begins: everything that it does from now on belongs to this life. */
  begin(host: Host): void {
    host.life += 1;
    host.up = true;
    host.pausedUntil = 0;
  }

  /** The process ends at once; `powerLoss`: the machine with it, so that what was not synced may be lost. */
  end(host: Host, powerLoss: boolean): void {
    host.life += 1;
    host.up = false;
    host.pausedUntil = 0;
    this.network.hostDown(host);
    if (powerLoss) host.disk.crash(this.chance.disk);
  }
}

/** The world that is simulated now. The stand-ins for Node's modules look here. */
export let world: World;

/** Makes a world the one that runs. */
export function enter(next: World): void {
  world = next;
}
