import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { TriremeError } from "@trireme/base";
import type { Programs } from "../plan/processes.ts";

/** Bundles without which there is no cluster at all. */
const REQUIRED = ["supervisor", "balancer"] as const;
/** Bundles that run on hosts. */
const SERVICES = ["state-store", "control", "node-agent", "dns"] as const;

/** The root of the clone: set by the `tri` script, which knows. */
export function repoRoot(): string {
  return process.env.TRIREME_ROOT ?? dirname(dirname(process.argv[1] ?? ""));
}

/** The Node binary and the bundles that a cluster runs. */
export function findPrograms(): Programs {
  const bundles = join(repoRoot(), ".build");
  for (const name of REQUIRED) {
    if (!existsSync(join(bundles, `${name}.mjs`))) {
      throw new TriremeError("NotFound", `${bundles}/${name}.mjs is missing; run ./tri, which builds it`);
    }
  }
  const built = new Set<string>(SERVICES.filter((name) => existsSync(join(bundles, `${name}.mjs`))));
  return { node: process.execPath, bundles, built };
}
