import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { TriremeError } from "@trireme/base";
import { Command } from "commander";
import { requireRoot } from "../local/guards.ts";
import { importImages } from "../local/images.ts";
import { createProgress } from "../local/progress.ts";
import { readCluster } from "../local/state.ts";
import { holdFileOf } from "../plan/processes.ts";
import { type ClusterOption, withCluster } from "./cluster-option.ts";

/** `image load FILE...`. */
export function imageCommand(): Command {
  const command = new Command("image").description("images of containers");
  const load = new Command("load")
    .description("load image archives (OCI or docker) onto every node")
    .argument("<file...>", "made by docker save, skopeo copy, buildah push ...");
  withCluster(load).action(async (files: string[], options: ClusterOption) => {
    requireRoot();
    const missing = files.filter((file) => !existsSync(file));
    if (missing.length > 0) throw new TriremeError("NotFound", `there is no such file: ${missing.join(", ")}`);
    const plan = readCluster(options.cluster);
    const nodes = plan.nodes.filter((node) => !existsSync(holdFileOf(node)));
    const progress = createProgress();
    const loaded = new Set<string>();
    await Promise.all(
      nodes.map((node) =>
        progress.step(node.name, async () => {
          for (const file of files) for (const name of await importImages(node, resolve(file))) loaded.add(name);
        }),
      ),
    );
    for (const name of loaded) process.stdout.write(`${name} is on ${nodes.map((node) => node.name).join(", ")}\n`);
  });
  command.addCommand(load);
  return command;
}
