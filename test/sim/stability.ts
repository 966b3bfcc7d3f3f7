import { must } from "./world/world.ts";

/** A voter that heard its leader within this time does not help to depose it; an election timeout less what clocks err. */
const LOYAL_MS = 700;

/** So long has a majority to have heard one leader without a pause: grants given before that have come or never will. */
const STABLE_MS = 6000;

/** One life of a member's process. */
interface Alive {
  readonly id: bigint;
  readonly life: number | undefined;
}

/** How long one member has heard one leader without a pause. */
interface Streak {
  readonly life: number;
  readonly term: number;
  readonly leader: Alive;
  readonly since: number;
  last: number;
}

/**
 * F4, F7 and B33 of the reliability checklist: while a majority hears its leader, nobody enters a new term unless the
 * leader asked for it. Whoever was cut off and comes back disturbs nobody.
 */
export class Stability {
  private readonly streaks = new Map<bigint, Streak>();
  /** Terms whose leader has stepped down by itself, such as one that hears nobody. */
  private readonly ended = new Set<number>();

  /** A member takes a message of the leader of a term which is not behind its own. */
  hears(id: bigint, life: number, term: number, leader: Alive, now: number): void {
    const streak = this.streaks.get(id);
    const goes = streak?.life === life && streak.term === term && streak.leader.life === leader.life;
    if (streak !== undefined && goes && now - streak.last <= LOYAL_MS) streak.last = now;
    else this.streaks.set(id, { life, term, leader, since: now, last: now });
  }

  /** The leader of a term is none any more, and says so. */
  stepsDown(term: number): void {
    this.ended.add(term);
  }

  /** A member begins to campaign in the term behind `term`, and nobody asked it to. `lifeOf`: undefined for who is down. */
  campaigns(
    { id, term, voters }: { readonly id: bigint; readonly term: number; readonly voters: readonly bigint[] },
    leaderOf: (term: number) => bigint | undefined,
    lifeOf: (id: bigint) => number | undefined,
    now: number,
  ): void {
    const content = new Set<bigint>();
    for (const voter of voters) {
      const streak = this.streaks.get(voter);
      if (voter === id || streak === undefined || streak.life !== lifeOf(voter)) continue;
      if (now - streak.last > LOYAL_MS || now - streak.since < STABLE_MS) continue;
      // A leader whose process is gone is missed as soon as nobody answers at its address.
      if (streak.leader.life === undefined || streak.leader.life !== lifeOf(streak.leader.id)) continue;
      content.add(voter);
      // Who leads is no less loyal to itself; who has stepped down was heard a moment ago all the same.
      const leader = this.ended.has(streak.term) ? undefined : leaderOf(streak.term);
      if (leader !== undefined && leader !== id && voters.includes(leader)) content.add(leader);
    }
    must(
      content.size <= voters.length / 2,
      `F7: ${id.toString(16)} begins term ${term + 1} while ${content.size} of ${voters.length} voters hear their leader`,
    );
  }
}
