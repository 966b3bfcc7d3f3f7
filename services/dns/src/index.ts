/**
 * Cluster DNS: one process on every node, around a pure zone.
 *
 * Callers' duties: start main.ts in the node's network namespace with the right to bind port 53; give pods this node's
 * address first and another node's second. {@link buildZone} and {@link answer} are pure and may be used by tests.
 */
export { type Dns, startDns } from "./app.ts";
export { type DnsConfig, dnsFlags } from "./config.ts";
export { type Zone, type ZoneAnswer, answer, buildZone } from "./zone.ts";
