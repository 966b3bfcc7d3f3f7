import { registerHooks } from "node:module";
import type { Bug } from "./bugs.ts";

/** Modules through which a store touches the world, and what stands for them in a simulation. */
const STAND_INS: ReadonlyMap<string, string> = new Map([
  ["@grpc/grpc-js", "./world/grpc.ts"],
  ["node:fs/promises", "./world/files.ts"],
  ["node:crypto", "./world/chance.ts"],
  ["node:https", "./world/https.ts"],
  ["node:tls", "./world/tls.ts"],
  ["node:timers/promises", "./world/ticks.ts"],
]);

/** Whose imports are replaced: the program under test, the generated stubs of its services, and the listener of its doors. */
const UNDER_TEST = /\/(services\/state-store\/src\/|libs\/proto\/src\/gen\/|libs\/pki\/src\/tls-listener\.ts)/;

/**
 * From now on the store's modules load against the simulated world. `bug`: and with this mistake in their source, which
 * must be found exactly where the bug says; a bug that no longer fits the source is an error, never a silent pass.
 */
export function simulateModules(bug: Bug | undefined): { readonly planted: () => number } {
  let planted = 0;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const standIn = STAND_INS.get(specifier);
      if (standIn === undefined || context.parentURL === undefined || !UNDER_TEST.test(context.parentURL)) {
        return nextResolve(specifier, context);
      }
      return { url: new URL(standIn, import.meta.url).href, format: "module-typescript", shortCircuit: true };
    },
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const changes = bug?.changes.filter(({ file }) => url.endsWith(file)) ?? [];
      if (changes.length === 0) return loaded;
      let source = String(loaded.source);
      for (const { file, from, to } of changes) {
        const places = source.split(from).length - 1;
        if (places !== 1) throw new Error(`bug "${bug!.name}": "${from}" is ${places} times in ${file}; adapt the bug`);
        source = source.replace(from, () => to);
        planted += 1;
      }
      return { ...loaded, source };
    },
  });
  return { planted: () => planted };
}
