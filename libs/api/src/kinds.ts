/** Every declared kind and part: each name is both a schema (a value) and a TypeScript type. */
export * from "./schema/apps.ts";
export * from "./schema/autoscaling.ts";
export * from "./schema/coordination.ts";
export * from "./schema/core-config.ts";
export * from "./schema/core-container.ts";
export * from "./schema/core-event.ts";
export * from "./schema/core-node.ts";
export * from "./schema/core-pod-status.ts";
export * from "./schema/core-pod.ts";
export * from "./schema/core-reference.ts";
export * from "./schema/core-service.ts";
export * from "./schema/core-volume.ts";
export * from "./schema/discovery.ts";
export * from "./schema/meta.ts";
