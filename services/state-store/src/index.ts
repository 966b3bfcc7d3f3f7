/**
 * One replica of the store as a process: the shell around the Raft core and the state machine. See DESIGN.md.
 *
 * Callers' duties: `startStore` with a parsed configuration and certificates, `stop()` at the end, and an `onFatal`
 * that ends the process.
 */
export { type StoreApp, startStore } from "./app.ts";
export { type StoreConfig, storeFlags } from "./config.ts";
export { type StoreTls, readStoreTls } from "./tls.ts";
