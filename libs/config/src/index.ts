/**
 * How every service reads its settings: a flag, its environment twin, a default and a help sentence, parsed once,
 * validated at once, frozen.
 *
 * Callers' duties: one `config.ts` per service holds the spec and `type Config = ConfigOf<typeof spec>`; units stand in
 * the names (`heartbeatMs`, `maxInflightBytes`); only `main.ts` calls {@link parseConfigOrExit}, everything else takes
 * the frozen value.
 *
 * ```ts
 * export const storeFlags = {
 *   name: flag.string({ help: "This server's name, unique in the cluster." }),
 *   storeEndpoints: flag.hostPorts({ help: "The store's client addresses, own server first." }),
 *   initialCluster: flag.map({ help: "Every member as NAME=HOST:PORT." }),
 *   heartbeatMs: flag.int({ help: "Between two heartbeats of a leader.", default: 100, min: 1, max: 10_000 }),
 *   traceFile: flag.string({ help: "Where traces go.", optional: true }),        // string | undefined
 *   pretty: flag.boolean({ help: "Logs for people.", default: false }),          // --pretty, --no-pretty
 * };
 * const config = parseConfig(storeFlags, process.argv.slice(2), process.env);    // config.heartbeatMs: number
 * ```
 */
export { type Flag, envName, flag, flagName } from "./flags.ts";
export { type ConfigOf, type ConfigSpec, helpText, parseConfig, parseConfigOrExit } from "./parse.ts";
