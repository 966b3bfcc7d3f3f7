/**
 * What happened in a simulation. A campaign in which one of these never happened has proved nothing about it and fails:
 * a simulation that finds no fault because it does nothing looks just like one that finds none because there is none.
 */
export const COUNTED = [
  "writes",
  "reads",
  "definite failures",
  "unknown outcomes",
  "elections",
  "crashes",
  "power losses",
  "restarts",
  "pauses",
  "partitions",
  "one-way partitions",
  "isolations",
  "messages lost",
  "messages doubled",
  "messages reordered",
  "connections broken",
  "torn tails",
  "failed syncs",
  "disk hangs",
  "clock jumps",
  "segments begun",
  "log truncations",
  "snapshots written",
  "snapshots installed",
  "compactions",
  "leadership transfers",
  "members added",
  "learners promoted",
  "members removed",
  "leases granted",
  "leases renewed",
  "leases expired",
  "events delivered",
  "watches resumed",
  "watches compacted",
  "progress notified",
] as const;

/** The name of something that is counted. */
export type Counted = (typeof COUNTED)[number];

/** Below so many seeds what is usual may be missing by chance; from there on a campaign must have seen it. */
export const USUAL_FROM_SEEDS = 100;

/** The same for what most seeds do not see: a power loss that cuts a batch in two happens in about one of a hundred. */
const RARE: ReadonlySet<Counted> = new Set(["torn tails"]);
const RARE_FROM_SEEDS = 500;

/** How often each thing happened. */
export class Coverage {
  private readonly times = new Map<Counted, number>();

  add(what: Counted, times = 1): void {
    if (times > 0) this.times.set(what, this.of(what) + times);
  }

  of(what: Counted): number {
    return this.times.get(what) ?? 0;
  }

  /** What happened, as it travels between processes. */
  counts(): readonly (readonly [Counted, number])[] {
    return [...this.times];
  }

  addAll(counts: readonly (readonly [Counted, number])[]): void {
    for (const [what, times] of counts) this.add(what, times);
  }

  /** What never happened and must have, in so many seeds. */
  missing(seeds: number): Counted[] {
    const due = (what: Counted): boolean => seeds >= (RARE.has(what) ? RARE_FROM_SEEDS : USUAL_FROM_SEEDS);
    return COUNTED.filter((what) => this.of(what) === 0 && due(what));
  }

  describe(): string {
    return COUNTED.map((what) => `${what} ${this.of(what)}`).join(", ");
  }
}
