import { readdirSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "./cluster.ts";
import { Network } from "./network.ts";
import type { Reaper } from "./reaper.ts";
import type { Row } from "./report.ts";
import type { Ground, OwnScenario, Scenario } from "./scenario.ts";
import { type Result, Trial } from "./trial.ts";
import { must, until } from "./waiting.ts";

/** A lease outlives its holder's last sign of life by so much at most. */
const LAST_LEASE_MS = 15_000;

/** Runs scenarios, on clusters that they share as long as nothing goes wrong. */
export class Campaign {
  private readonly reaper: Reaper;
  private readonly network: Network;
  private readonly shared = new Map<number, Cluster>();
  private own: Cluster[] = [];
  private count = 0;

  constructor(reaper: Reaper) {
    this.reaper = reaper;
    this.network = new Network(reaper.prefix);
  }

  /** One scenario, whatever comes of it. */
  async run(scenario: Scenario | OwnScenario, round: number): Promise<Row> {
    const started = performance.now();
    const prefix = `${scenario.id.toLowerCase()}.${++this.count}/`;
    const head = { id: scenario.id, title: scenario.title, holds: scenario.holds, round };
    try {
      const result =
        scenario.members === undefined
          ? await (scenario as OwnScenario).run(this.ground(), prefix)
          : await this.onShared(scenario as Scenario, prefix);
      const { violations, proofs, undecided } = result;
      const all = [...violations];
      if (proofs.length === 0) all.push("the fault was not proved");
      if (undecided > 0) all.push(`the histories of ${undecided} keys were too tangled to judge`);
      return { ...head, result, violations: all, seconds: (performance.now() - started) / 1000 };
    } catch (error) {
      const text = error instanceof Error ? `${error.message}` : String(error);
      if (process.env["VERBOSE"] !== undefined) console.error(error);
      return { ...head, violations: [text], seconds: (performance.now() - started) / 1000 };
    } finally {
      for (const cluster of this.own) await cluster.stop();
      this.own = [];
    }
  }

  private async onShared({ members, clockRate, run }: Scenario, prefix: string): Promise<Result> {
    must(members !== undefined, "a scenario of a shared cluster says of which");
    const cluster =
      this.shared.get(members) ?? (await Cluster.found(this.network, this.folder(`c${members}`), members));
    this.shared.set(members, cluster);
    const trial = await Trial.begin(cluster, prefix, clockRate);
    try {
      await run(trial);
      return await trial.finish();
    } finally {
      await trial.abandon();
    }
  }

  private ground(): Ground {
    return {
      found: async (size, flags) => {
        const cluster = await Cluster.found(this.network, this.folder("own"), size, flags);
        this.own.push(cluster);
        return cluster;
      },
      folder: (name) => this.folder(name),
    };
  }

  private folder(name: string): string {
    const dir = join(this.reaper.dir, `${name}-${++this.count}`);
    mkdirSync(dir, { recursive: true });
    return dir;
  }

  /** The members' logs, for who looks for what went wrong. */
  logs(): [string, string][] {
    const { dir } = this.reaper;
    return readdirSync(dir, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith("store.log"))
      .map((file) => [file.replaceAll("/", "-"), join(dir, file)]);
  }

  /** What failed may have left anything: the next scenario gets a new cluster. */
  async startOver(): Promise<void> {
    for (const cluster of this.shared.values()) await cluster.stop();
    this.shared.clear();
  }

  /** L1 and T1: leases that nobody renews have ended on every cluster that was shared. */
  async close(): Promise<string[]> {
    const lines: string[] = [];
    for (const [size, cluster] of this.shared) {
      const what = `no lease lives on in the cluster of ${size}`;
      try {
        const gone = async (): Promise<boolean> => (await cluster.members[0]!.connection.leases()) === 0;
        await until(what, gone, LAST_LEASE_MS);
        lines.push(`ok ${what}`);
      } catch (error) {
        lines.push(`not ok ${what}: ${(error as Error).message}`);
      }
      await cluster.stop();
    }
    return lines;
  }
}
