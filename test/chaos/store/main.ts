/**
 * Goal: the store keeps its promises as real processes on real disks and wires. Method: members in network namespaces, started
 * as their supervisor starts them; clients, watchers and holders of leases at work all the time; one fault after the other,
 * each proved to have happened; then what clients were told is judged.
 *
 *   node test/chaos/store/main.ts [F1 F7 ...] [--rounds N] [--ci]
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BUNDLES } from "./member.ts";
import { Reaper } from "./reaper.ts";
import { type Row, lineOf, tableOf } from "./report.ts";
import { Campaign } from "./campaign.ts";
import { SCENARIOS } from "./scenarios/index.ts";

/** What continuous integration runs: in some half a minute, on one shared cluster. */
const CI = ["F1", "F3", "F5", "F11"];

const args = process.argv.slice(2);
const rounds = args.includes("--rounds") ? Number(args[args.indexOf("--rounds") + 1]) : 1;
const named = args.filter((arg) => /^F\d+$/i.test(arg)).map((arg) => arg.toUpperCase());
const wanted = args.includes("--ci") ? CI : named;
const unknown = [
  ...args.filter(
    (arg, i) => !/^F\d+$/i.test(arg) && arg !== "--rounds" && arg !== "--ci" && args[i - 1] !== "--rounds",
  ),
  ...wanted.filter((id) => SCENARIOS.every((scenario) => scenario.id !== id)),
];
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  const ids = SCENARIOS.map(({ id }) => id).join(" ");
  process.stderr.write(
    `usage: faults [F1 F2 ...] [--rounds N]; not understood: ${unknown.join(" ")}; there are ${ids}\n`,
  );
  process.exit(2);
}
if (!existsSync(join(BUNDLES, "state-store.mjs"))) {
  process.stderr.write("the programs are not built: run ./tri test faults\n");
  process.exit(2);
}

const chosen = SCENARIOS.filter(({ id }) => wanted.length === 0 || wanted.includes(id));
const reaper = new Reaper();
const campaign = new Campaign(reaper);
const rows: Row[] = [];
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    interrupted = true;
    process.stderr.write(`\n${signal}: cleaning up\n`);
    void reaper.finish().then(() => process.exit(130));
  });
}

const kept = join(BUNDLES, "reports", "faults");
rmSync(kept, { recursive: true, force: true });
mkdirSync(kept, { recursive: true });
for (let round = 1; round <= rounds && !interrupted; round++) {
  for (const scenario of chosen) {
    if (interrupted) break;
    const row = await campaign.run(scenario, round);
    rows.push(row);
    process.stdout.write(`${lineOf(row)}\n`);
    if (row.violations.length > 0) {
      for (const [name, file] of campaign.logs()) copyFileSync(file, join(kept, `${scenario.id}-${round}-${name}.log`));
      await campaign.startOver();
    }
  }
}
if (!interrupted) {
  for (const line of await campaign.close()) process.stdout.write(`${line}\n`);
  const left = await reaper.finish();
  process.stdout.write(left.length === 0 ? "ok nothing is left behind\n" : `not ok left behind: ${left.join("; ")}\n`);
  process.stdout.write(`\n${tableOf(rows)}\n`);
  process.exit(left.length > 0 || rows.some(({ violations }) => violations.length > 0) ? 1 : 0);
}
