/**
 * The node's agent: runs the pods that are bound to its node, and carries the traffic of Services.
 *
 * Callers' duties: run it inside the node's network namespace, as root, beside a container runtime that outlives it;
 * stop it when you like, since pods go on without it. Tests take {@link createPodSet} with a source and a sink of
 * their own; everything else starts main.ts.
 */
export { createImageStore } from "./images/image-store.ts";
export { lastWords } from "./logs/last-words.ts";
export { createGate } from "./pods/gate.ts";
export { createManifestStore } from "./pods/manifest-store.ts";
export { removeLeftovers } from "./pods/leftovers.ts";
export { type PodSet, type PodSetOptions, type PodSource, type Spawner, createPodSet } from "./pods/pod-set.ts";
export { type PodRunnerOptions, createPodRunner } from "./pods/pod-runner.ts";
export { createRoutes } from "./network/routes.ts";
export { check } from "./probes/checks.ts";
export { createProber } from "./probes/prober.ts";
export { type Proxy, type ProxySources, createProxy } from "./proxy/proxy.ts";
export { type StatusSink } from "./status/status-sink.ts";
export { createVolumes } from "./volumes/volumes.ts";
