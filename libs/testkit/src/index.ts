/** What tests share: real servers as children of a test. Never imported by the product itself. */
export { type ScriptCommand, type ScriptOutcome, rewriteScript, runScript } from "./datadriven.ts";
export { type NatsCluster, startNatsCluster } from "./nats-cluster.ts";
