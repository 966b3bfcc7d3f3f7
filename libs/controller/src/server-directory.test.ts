import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndpointSlice } from "@trireme/api";
import { silentLogger } from "@trireme/telemetry";
import { afterAll, describe, expect, it } from "vitest";
import { ServerDirectory, addressesOn } from "./server-directory.ts";

const dir = mkdtempSync(join(tmpdir(), "servers-"));
afterAll(() => rmSync(dir, { recursive: true }));

function sliceOf(name: string, ...servers: [name: string, address: string, ready?: boolean][]): EndpointSlice {
  const endpoints = servers.map(([hostname, address, ready = true]) => ({
    hostname,
    addresses: [address],
    conditions: { ready },
  }));
  return { metadata: { namespace: "default", name }, addressType: "IPv4", endpoints } as EndpointSlice;
}

describe("the list of servers", () => {
  const options = { apiServers: ["a:6443", "b:6443"], natsUrls: ["a:4222", "b:4222"], log: silentLogger };

  it("keeps the configured order and port, and puts servers that came later behind", () => {
    expect(addressesOn(["b:1", "a:1"], ["a", "b", "c"])).toEqual(["b:1", "a:1", "c:1"]);
    expect(addressesOn(["b:1", "a:1"], ["c", "a"])).toEqual(["a:1", "c:1"]);
    expect(addressesOn([], ["a"])).toEqual([]);
  });

  it("tells clients who came and who went, silent servers included, and keeps it for the next start", () => {
    const file = join(dir, "servers.json");
    const directory = new ServerDirectory({ ...options, file, writes: true });
    const told: string[][] = [];
    directory.tell({ setServers: (servers) => void told.push([...servers]) }, options.natsUrls);
    directory.learn(sliceOf("hello-x", ["x", "z"]));
    directory.learn(sliceOf("kubernetes"));
    expect(told).toEqual([]);
    directory.learn(sliceOf("kubernetes", ["s1", "a"], ["s3", "c", false]));
    directory.learn(sliceOf("kubernetes", ["s3", "c"], ["s1", "a"]));
    expect(told).toEqual([["a:4222", "c:4222"]]);
    expect(directory.apiServers).toEqual(["a:6443", "c:6443"]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual([
      { name: "s1", address: "a" },
      { name: "s3", address: "c" },
    ]);
    const next = new ServerDirectory({ ...options, file });
    expect(next.natsUrls).toEqual(["a:4222", "c:4222"]);
  });
});
