/**
 * `tri`: the local cluster, its supervisors and its balancer. Nothing imports this package; its bundles are `cli`
 * (main.ts), `supervisor` (supervisor/main.ts) and `balancer` (balancer/main.ts).
 */
export { createProgram } from "./commands/program.ts";
