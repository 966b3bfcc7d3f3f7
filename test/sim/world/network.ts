import type { Prng } from "@trireme/base";
import { type Host, world } from "./world.ts";

/** What the network does to what is sent, as probabilities and milliseconds. */
export interface Weather {
  /** A message between peers is lost, doubled, or overtaken. */
  readonly loss: number;
  readonly doubling: number;
  readonly reordering: number;
  /** The median of one way. */
  readonly delayMs: number;
}

/** Nothing but the ordinary delay. */
function fairWeather(delayMs: number): Weather {
  return { loss: 0, doubling: 0, reordering: 0, delayMs };
}

/** A broken wire is noticed by pings: after one interval and the wait for the answer at most. */
const NOTICE_MS = 2000;

/** Something that listens at an address. */
export interface Listener {
  readonly host: Host;
  readonly life: number;
}

/** One call between two ends, as far as the network knows it. */
export interface Line {
  readonly from: Host | undefined;
  readonly to: Host;
  /** The other end is gone; told to whichever end still lives. */
  broken(): void;
}

/** Wires between machines. */
export class SimNetwork {
  /** The median of one way on a good day, milliseconds. */
  readonly fairDelayMs: number;
  weather: Weather;
  readonly counts = { lost: 0, doubled: 0, reordered: 0, cut: 0, broken: 0 };
  private readonly prng: Prng;
  private readonly listeners = new Map<string, unknown>();
  private readonly cuts = new Set<string>();
  private readonly lines = new Set<Line>();

  constructor(prng: Prng, fairDelayMs: number) {
    this.prng = prng;
    this.fairDelayMs = fairDelayMs;
    this.weather = fairWeather(fairDelayMs);
  }

  /** Nothing is lost, doubled or overtaken any more. */
  clearUp(): void {
    this.weather = fairWeather(this.fairDelayMs);
  }

  listen<L extends Listener>(address: string, listener: L): void {
    this.listeners.set(address, listener);
  }

  /** Who listens at an address and still lives. */
  listenerAt(address: string): unknown {
    const found = this.listeners.get(address) as Listener | undefined;
    return found !== undefined && found.host.life === found.life ? found : undefined;
  }

  /** What `from` sends does not reach `to`. */
  cut(from: Host, to: Host): void {
    const key = `${from.name}>${to.name}`;
    if (this.cuts.has(key)) return;
    this.cuts.add(key);
    // Sometimes the pings notice and the wire is given up; sometimes it only swallows what is sent.
    const notice = this.prng.next() < 0.5;
    if (!notice) return;
    world.plan(NOTICE_MS * (0.5 + this.prng.next() / 2), () => {
      if (this.cuts.has(key)) this.breakBetween(from, to);
    });
  }

  healAll(): void {
    this.cuts.clear();
  }

  get isCut(): boolean {
    return this.cuts.size > 0;
  }

  private breakBetween(a: Host, b: Host): void {
    for (const line of this.lines) {
      if (!((line.from === a && line.to === b) || (line.from === b && line.to === a))) continue;
      this.counts.broken += 1;
      line.broken();
    }
  }

  reaches(from: Host | undefined, to: Host | undefined): boolean {
    return from === undefined || to === undefined || !this.cuts.has(`${from.name}>${to.name}`);
  }

  open(line: Line): void {
    this.lines.add(line);
  }

  close(line: Line): void {
    this.lines.delete(line);
  }

  /** A process ended: its connections break, at once or when pings notice (its machine may be dead as well). */
  hostDown(host: Host): void {
    const late = this.prng.next() < 0.3 ? NOTICE_MS * this.prng.next() : this.delay();
    for (const line of this.lines) {
      if (line.from !== host && line.to !== host) continue;
      world.plan(late, () => line.broken());
    }
  }

  /** How long something takes on its way. */
  delay(): number {
    const { delayMs } = this.weather;
    return delayMs * (0.3 - Math.log(1 - this.prng.next()) * 0.7);
  }

  /**
   * The fates of one message between peers: its delays, none when it is lost, two when it is doubled. `once`: it may be
   * lost or late, and never comes twice.
   */
  fates(once: boolean): { readonly ms: number; readonly ordered: boolean }[] {
    const { loss, doubling, reordering } = this.weather;
    const { prng, counts } = this;
    if (loss > 0 && prng.next() < loss) {
      counts.lost += 1;
      return [];
    }
    const late = reordering > 0 && prng.next() < reordering;
    if (late) counts.reordered += 1;
    const first = { ms: this.delay() * (late ? 10 : 1), ordered: !late };
    if (once || doubling === 0 || prng.next() >= doubling) return [first];
    counts.doubled += 1;
    return [first, { ms: this.delay() * 20, ordered: false }];
  }
}
