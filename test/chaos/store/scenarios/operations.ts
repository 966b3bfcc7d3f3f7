import { Metadata } from "@grpc/grpc-js";
import { execFileSync } from "node:child_process";
import { createWriteStream, statSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import type { Cluster } from "../cluster.ts";
import { type Member, BUNDLES } from "../member.ts";
import { olderRelease } from "../older-release.ts";
import type { Ground, OwnScenario, Scenario } from "../scenario.ts";
import { type Result, Trial } from "../trial.ts";
import { must, until } from "../waiting.ts";
import { watchRequest } from "../watchers.ts";

/** One member after the other to other programs, as an operator does it. */
async function roll(trial: Trial, bundles: string): Promise<string[]> {
  const { cluster } = trial;
  const commands: string[] = [];
  for (const member of cluster.members) {
    await member.stop();
    await trial.writes(10);
    member.start({ bundles });
    await until(`${member.name} to be back`, () =>
      member.connection.range("nothing", { timeoutMs: 1000 }).then(() => true),
    );
    await cluster.leader();
    await trial.writes(10);
    commands.push(execFileSync("ps", ["-o", "args=", "-p", String(member.pid)], { encoding: "utf8" }));
  }
  return commands;
}

async function rollDownAndUp(trial: Trial): Promise<void> {
  const older = olderRelease();
  if (older === undefined) trial.note("no history of the repository: both releases are today's");
  const down = older?.bundles ?? BUNDLES;
  const then = await roll(trial, down);
  const now = await roll(trial, BUNDLES);
  trial.proved(
    then.every((command) => command.includes(`${down}/state-store.mjs`)) &&
      now.every((command) => command.includes(`${BUNDLES}/state-store.mjs`)),
    `three members to ${older?.name ?? "the same release"} and back, one at a time, under load`,
  );
  trial.healed();
}

async function backup(member: Member, file: string): Promise<void> {
  const stream = member.connection.maintenance.snapshot({}, new Metadata(), { deadline: Date.now() + 20_000 });
  const out = createWriteStream(file);
  stream.on("data", ({ blob }: { blob: Buffer }) => void out.write(blob));
  await once(stream, "end");
  out.end();
  await once(out, "close");
}

/** An old backup comes back while clients hold revisions that it never had: they are told, and nothing is given out twice. */
async function restoreOld(ground: Ground, prefix: string): Promise<Result> {
  const cluster = await ground.found(3);
  const dir = ground.folder("backup");
  const file = join(dir, "backup");
  const [first] = cluster.members;
  const key = `${prefix}kept`;
  await first!.connection.put(key, "old");
  await backup(first!, file);
  await first!.connection.put(key, "newer");
  const lost = await first!.connection.put(`${prefix}lost`, "never backed up");
  const held = Number(lost.header?.revision);
  for (const member of cluster.members) await member.kill();

  await restoreInto(cluster, first!, file);
  for (const member of cluster.others(first!)) await cluster.join(member);
  const trial = await Trial.begin(cluster, `${prefix}after/`);
  const { connection } = first!;
  const answer = await connection.range(key);
  const revision = Number(answer.header?.revision);
  trial.proved(
    statSync(file).size > 0 && answer.kvs[0]?.value.toString() === "old",
    `restored from before revision ${held}; the store is at ${revision}`,
  );
  trial.hold(revision > held, `W5: revision ${revision} is given out again`);
  const told = await connection.range(key, { revision: held }).then(
    () => "an answer",
    (error: Error) => error.message,
  );
  trial.hold(/compacted/.test(told), `a read at a lost revision is told "${told}"`);
  const stream = connection.watch.watch();
  stream.on("error", () => undefined);
  let compacted: number | undefined;
  stream.on("data", (response: { canceled: boolean; compactRevision: bigint }) => {
    if (response.canceled) compacted = Number(response.compactRevision);
  });
  stream.write(watchRequest(prefix, held + 1));
  await until("the watch to be refused", () => compacted !== undefined);
  stream.cancel();
  trial.hold(compacted! > held, `a watch from a lost revision is told ${compacted}`);
  const gone = await connection.range(`${prefix}lost`);
  trial.hold(gone.kvs.length === 0, "what was not in the backup is there");
  trial.note(`a read at revision ${held}: "${told}"; a watch behind it: compacted at ${compacted}`);
  trial.healed();
  await trial.writes(40);
  return trial.finish();
}

/** The first member alone gets the backup; the others join it. */
async function restoreInto(cluster: Cluster, first: Member, file: string): Promise<void> {
  for (const member of cluster.members) member.wipe();
  first.birth = { state: "new", others: [] };
  const token = "restored";
  first.start({ token, flags: [`--restore-from=${file}`] });
  const { code } = await first.ended();
  must(code === 0, `the restore ends with ${code}`);
  first.start({ token });
  await cluster.leader([first]);
}

/** Operations. */
export const OPERATIONS: readonly (Scenario | OwnScenario)[] = [
  { id: "F25", title: "rolling downgrade and upgrade under load", holds: "S8", members: 3, run: rollDownAndUp },
  { id: "F26", title: "an old backup is restored", holds: "explicit resync", members: undefined, run: restoreOld },
];
