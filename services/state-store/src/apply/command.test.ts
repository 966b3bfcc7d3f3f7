import { encodeConfChange } from "@trireme/raft";
import { describe, expect, it } from "vitest";
import { counterOf, decodeCommand, encodeCommand, payloadOf } from "./command.ts";

const ORIGIN = { life: Buffer.from("lifelife"), counter: 7 };

describe("an entry's command", () => {
  it("B18: the end of a lease that a deposed leader asked for is void in another leader's term", () => {
    const revoke = (expiredInTerm: bigint) =>
      encodeCommand(ORIGIN, { $case: "leaseRevoke", value: { id: 5n, expiredInTerm, spareApiKeys: false } });
    const at = (term: number, expiredInTerm: bigint) =>
      decodeCommand({ term, index: 9, type: "normal", data: revoke(expiredInTerm) });
    expect(at(3, 3n)).toEqual({ type: "leaseRevoke", id: 5n });
    expect(at(4, 3n)).toBeUndefined();
    // A client's own request is as good in any term.
    expect(at(4, 0n)).toEqual({ type: "leaseRevoke", id: 5n });
  });

  it("a deposed leader's checkpoint of leases is void: the next leader has counted since", () => {
    const value = { term: 3n, leases: [{ id: 5n, remaining: 600n }] };
    const data = encodeCommand(ORIGIN, { $case: "leaseCheckpoint", value });
    const at = (term: number) => decodeCommand({ term, index: 9, type: "normal", data });
    expect(at(3)).toEqual({ type: "leaseCheckpoint", leases: [{ id: 5n, remaining: 600 }] });
    expect(at(4)).toBeUndefined();
  });

  it("travels with a change of the configuration as its context, and is found by who asked for it", () => {
    const context = encodeCommand(ORIGIN, { $case: "memberRemove", value: { id: 8n } });
    const operations = [{ op: "remove", id: 8n }] as const;
    const data = encodeConfChange({ transition: "auto", operations, context });
    const entry = { term: 1, index: 2, type: "confChange", data } as const;
    expect(decodeCommand(entry)).toEqual({ type: "memberRemove", id: 8n });
    expect(counterOf(payloadOf(entry)!, ORIGIN.life)).toBe(7);
    expect(counterOf(payloadOf(entry)!, Buffer.from("another!"))).toBeUndefined();
    // The core's own way out of a joint configuration asks nothing of the state machine.
    const leave = encodeConfChange({ transition: "auto", operations: [], context: new Uint8Array(0) });
    expect(decodeCommand({ ...entry, data: leave })).toBeUndefined();
    expect(decodeCommand({ term: 1, index: 2, type: "empty", data: new Uint8Array(0) })).toBeUndefined();
  });

  it("B21: a promotion changes nothing of what is known of a member", () => {
    const value = { id: 8n, name: "", peerUrls: [], clientUrls: [] };
    const data = encodeCommand(ORIGIN, { $case: "memberUpdate", value });
    expect(decodeCommand({ term: 1, index: 2, type: "normal", data })).toEqual({
      type: "memberUpdate",
      id: 8n,
      change: {},
    });
  });
});
