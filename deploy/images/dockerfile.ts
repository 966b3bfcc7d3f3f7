import type { ImageConfig } from "./image.ts";

/** The part of an image's configuration that a build on another base needs to be told. */
export type DockerConfig = Pick<ImageConfig, "entrypoint" | "env" | "exposedPorts" | "volumes" | "healthcheck">;

/**
 * A Dockerfile that puts layers on a base which is an argument, `--build-arg BASE=...`; `layers` are tar archives beside it.
 * It runs nothing while it builds and so asks no network.
 */
export function dockerfileOf(base: string, layers: readonly string[], config: DockerConfig): string {
  const { entrypoint, env = [], exposedPorts = [], volumes = [], healthcheck } = config;
  const seconds = (ns: number): string => `${ns / 1e9}s`;
  return [
    `ARG BASE=${base}`,
    "FROM ${BASE}",
    ...layers.map((layer) => `ADD ${layer} /`),
    ...env.map((pair) => `ENV ${pair}`),
    ...exposedPorts.map((port) => `EXPOSE ${port}`),
    ...volumes.map((path) => `VOLUME ${path}`),
    ...(healthcheck === undefined
      ? []
      : [
          `HEALTHCHECK --interval=${seconds(healthcheck.intervalNs)} --timeout=${seconds(healthcheck.timeoutNs)} ` +
            `--start-period=${seconds(healthcheck.startPeriodNs)} --retries=${healthcheck.retries} ` +
            `CMD ${JSON.stringify(healthcheck.test.slice(1))}`,
        ]),
    `ENTRYPOINT ${JSON.stringify(entrypoint)}`,
    "",
  ].join("\n");
}
