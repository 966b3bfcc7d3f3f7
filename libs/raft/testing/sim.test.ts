import { describe, expect, it } from "vitest";
import { Sim } from "./sim.ts";
import type { SimOptions } from "./sim.ts";

// Goal: S1-S6 and fresh reads hold while messages are lost, doubled and reordered and members crash with unsynced
// writes; afterwards the group converges. Method: fixed seeds of a deterministic in-process group. SEEDS=n tries more.
const SEEDS = Number(process.env["SEEDS"] ?? 15);
const FIRST_SEED = Number(process.env["SEED"] ?? 1);

const PROFILES: readonly (Omit<SimOptions, "seed"> & { readonly name: string })[] = [
  {
    name: "three, lossy",
    nodes: 3,
    steps: 4000,
    drop: 0.1,
    duplicate: 0.1,
    crash: 0.002,
    partition: 0.002,
    pause: 0.003,
    reconfigure: false,
  },
  {
    name: "three, calm",
    nodes: 3,
    steps: 4000,
    drop: 0.01,
    duplicate: 0.01,
    crash: 0.001,
    partition: 0,
    pause: 0.003,
    reconfigure: false,
  },
  {
    name: "five, hostile",
    nodes: 5,
    steps: 6000,
    drop: 0.05,
    duplicate: 0.2,
    crash: 0.004,
    partition: 0.004,
    pause: 0.003,
    reconfigure: false,
  },
  {
    name: "five, changing",
    nodes: 5,
    steps: 6000,
    drop: 0.03,
    duplicate: 0.05,
    crash: 0.001,
    partition: 0.001,
    pause: 0.003,
    reconfigure: true,
  },
];

describe.each(PROFILES)("simulated group: $name", (profile) => {
  it(`keeps S1-S6 for ${SEEDS} seeds and converges`, () => {
    const total = { elections: 0, commits: 0, truncations: 0, crashes: 0, snapshots: 0, reads: 0, changes: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const sim = new Sim({ ...profile, seed });
      try {
        sim.run();
        sim.heal();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += sim.coverage[key];
    }
    // Guard against a vacuous pass: the seeds together must have seen what they are meant to try.
    if (process.env["VERBOSE"] !== undefined) console.log(profile.name, total);
    expect(total.elections).toBeGreaterThan(SEEDS);
    expect(total.commits).toBeGreaterThan(20 * SEEDS);
    expect(total.crashes).toBeGreaterThan(0);
    expect(total.reads).toBeGreaterThan(SEEDS);
    if (profile.reconfigure) expect(total.changes).toBeGreaterThan(SEEDS / 3);
  }, 600_000);
});
