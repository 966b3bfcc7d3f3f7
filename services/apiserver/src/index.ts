/**
 * The front door: Kubernetes REST, `trireme.api.v1` gRPC, watch cache, event relay. See DESIGN.md.
 *
 * Callers' duties: `createApiserver(config, deps)`, `start()`, and at the end `stop()` before closing store and bus.
 */
export { type Apiserver, type ApiserverDeps, createApiserver } from "./app.ts";
export { type ApiserverConfig, apiserverFlags } from "./config.ts";
