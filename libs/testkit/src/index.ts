/** What tests share: real servers as children of a test. Never imported by the product itself. */
export { type NatsCluster, startNatsCluster } from "./nats-cluster.ts";
