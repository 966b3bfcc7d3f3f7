import { joinSecretHash } from "@trireme/pki";
import { describe, expect, it } from "vitest";
import { type HostRecord, type Joiner, checkHost, checkToken } from "./decide.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const joiner: Joiner = { name: "node1", role: "node", address: "10.0.0.1", hostId: "machine-a" };
const data = {
  "token-id": "abcdef",
  "token-secret-hash": joinSecretHash("secret"),
  expiration: "2026-11-22T13:00:00Z",
  "usage-trireme-join": "node" as const,
};
const used = { ...data, "used-by-host": "machine-a", "used-by-name": "node1" };

describe("a token", () => {
  it("admits the machine that it is for, and the same machine again", () => {
    expect(() => checkToken("abcdef", "secret", data, joiner, NOW)).not.toThrow();
    expect(() => checkToken("abcdef", "secret", used, joiner, NOW)).not.toThrow();
  });

  it.each([
    ["revoked", undefined, "secret", joiner, "is unknown: it was revoked"],
    ["garbled", data, "other", joiner, "has another secret"],
    [
      "expired",
      { ...data, expiration: "2026-11-22T12:00:00Z" },
      "secret",
      joiner,
      "has expired (2026-11-22T12:00:00Z)",
    ],
    ["without an end", { ...data, expiration: "soon" }, "secret", joiner, "has expired"],
    ["for another role", data, "secret", { ...joiner, role: "server" as const }, "admits a node, not a server"],
    ["reused by another machine", used, "secret", { ...joiner, hostId: "machine-b" }, 'used already, by "node1"'],
    ["reused under another name", used, "secret", { ...joiner, name: "node2" }, "used already by this machine"],
    ["of a deleted node", { ...used, spent: 'node "node1" was removed' }, "secret", joiner, 'node "node1" was removed'],
  ])("is refused when %s", (_, token, secret, who, message) => {
    expect(() => checkToken("abcdef", secret, token, who, NOW)).toThrow(message);
    expect(() => checkToken("abcdef", secret, token, who, NOW)).toThrow("./tri token create");
    expect(() => checkToken("abcdef", secret, token, who, NOW)).toThrow(
      expect.objectContaining({ code: "Unauthorized" }) as Error,
    );
  });
});

describe("a machine", () => {
  const hosts: HostRecord[] = [
    { name: "server1", role: "server", address: "10.0.0.9", hostId: "machine-s" },
    { name: "node1", role: "node", address: "10.0.0.1", hostId: "machine-a" },
  ];

  it("may join anew, and again with its own folder", () => {
    expect(() =>
      checkHost({ ...joiner, name: "node2", address: "10.0.0.2", hostId: "machine-b" }, hosts),
    ).not.toThrow();
    expect(() => checkHost(joiner, hosts)).not.toThrow();
    // A machine may come back with another address.
    expect(() => checkHost({ ...joiner, address: "10.0.0.7" }, hosts)).not.toThrow();
  });

  it.each([
    ["a name of another machine", { ...joiner, hostId: "machine-b" }, "it is another machine (10.0.0.1)", "Conflict"],
    ["another role", { ...joiner, role: "server" as const }, "it cannot be a server too", "Conflict"],
    ["an address of another", { ...joiner, name: "node2", hostId: "b" }, 'that of node "node1"', "Conflict"],
    ["a name that is none", { ...joiner, name: "Node_1" }, "must be 1 to 63", "BadRequest"],
    ["an address that is none", { ...joiner, address: "node1" }, "must be an IPv4 address", "BadRequest"],
  ])("may not have %s", (_, who, message, code) => {
    expect(() => checkHost(who, hosts)).toThrow(expect.objectContaining({ code }) as Error);
    expect(() => checkHost(who, hosts)).toThrow(message);
  });

  it("waits for the cluster's first server, whose record a later one's would hide", () => {
    const early = { ...joiner, name: "server2", role: "server" as const, address: "10.0.0.2", hostId: "b" };
    for (const there of [[], hosts.filter((host) => host.role === "node")]) {
      expect(() => checkHost(early, there)).toThrow("ask again");
    }
  });

  it("takes the place of a dead server, its name and address included", () => {
    const next: Joiner = { name: "server1", role: "server", address: "10.0.0.9", hostId: "new", replace: "server1" };
    expect(() => checkHost(next, hosts)).not.toThrow();
    expect(() => checkHost({ ...next, name: "server4" }, hosts)).not.toThrow();
    expect(() => checkHost({ ...next, name: "server4", replace: "server2" }, hosts)).toThrow(
      'that of server "server1"',
    );
  });
});
