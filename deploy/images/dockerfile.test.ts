import { describe, expect, it } from "vitest";
import { dockerfileOf } from "./dockerfile.ts";

describe("a Dockerfile", () => {
  it("puts layers on a base that is an argument, and runs nothing", () => {
    const text = dockerfileOf("trireme.local/debian:12", ["a.tar", "b.tar"], {
      entrypoint: ["/usr/bin/tini", "--", "start"],
      env: ["A=1"],
      exposedPorts: ["6443/tcp"],
      volumes: ["/data"],
      healthcheck: {
        test: ["CMD", "healthy"],
        intervalNs: 5e9,
        timeoutNs: 4e9,
        startPeriodNs: 6e10,
        retries: 3,
      },
    });
    expect(text.split("\n")).toEqual([
      "ARG BASE=trireme.local/debian:12",
      "FROM ${BASE}",
      "ADD a.tar /",
      "ADD b.tar /",
      "ENV A=1",
      "EXPOSE 6443/tcp",
      "VOLUME /data",
      'HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["healthy"]',
      'ENTRYPOINT ["/usr/bin/tini","--","start"]',
      "",
    ]);
  });
});
