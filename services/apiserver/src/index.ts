/**
 * The front door: Kubernetes REST, `trireme.api.v1` gRPC, watch cache, event relay. See DESIGN.md.
 *
 * Callers' duties: either `connectApiserver(config, log)`, which opens store and bus by itself, or
 * `createApiserver(config, deps)` with both given; `start()`, and at the end `stop()`.
 */
export { type Apiserver, type ApiserverDeps, type Neighbour, createApiserver } from "./app.ts";
export { type ApiserverConfig, apiserverFlags } from "./config.ts";
export { type ConnectedApiserver, connectApiserver } from "./connections.ts";
