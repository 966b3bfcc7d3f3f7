import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { BUGS, type Bug } from "./bugs.ts";
import { real } from "./real-time.ts";

/** A bug that so many seeds do not find is one that the simulation does not know. */
const MOST_SEEDS = 500;

/** Each bug is planted while modules load, so each hunt is a process of its own. */
function hunt(bug: Bug, seeds: number): Promise<{ readonly seed: number | undefined; readonly output: string }> {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "--bug", bug.name, "--seeds", String(seeds)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      const found = /^found in seed (\d+): .*$/m.exec(output);
      resolve({ seed: found === null ? undefined : Number(found[1]), output });
    });
  });
}

/** Looks for planted bugs, all of them or those that are found at once; answers whether each was. */
export async function huntBugs(quickOnly: boolean): Promise<boolean> {
  let all = true;
  for (const bug of BUGS) {
    if (quickOnly && bug.quick !== true) continue;
    const started = real.monotonic();
    const { seed, output } = await hunt(bug, quickOnly ? 10 : MOST_SEEDS);
    const seconds = ((real.monotonic() - started) / 1000).toFixed(0);
    const how = /^found in seed \d+: (.*)$/m.exec(output)?.[1] ?? "";
    if (seed === undefined) {
      all = false;
      process.stdout.write(
        `not ok ${bug.name}: not found (${seconds} s)\n${output.split("\n").slice(-5).join("\n")}\n`,
      );
    } else {
      process.stdout.write(`ok ${bug.name}: found in seed ${seed} (${seconds} s): ${how}\n`);
    }
  }
  return all;
}
