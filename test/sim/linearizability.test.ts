import { describe, expect, it } from "vitest";
import { type RegisterOp, checkRegister } from "./linearizability.ts";

const write = (value: string | undefined, called: number, returned: number): RegisterOp => ({
  kind: "write",
  value,
  called,
  returned,
});
const read = (found: string | undefined, called: number, returned: number): RegisterOp => ({
  kind: "read",
  found,
  called,
  returned,
});
const swap = (expected: string | undefined, value: string, called: number, returned: number): RegisterOp => ({
  kind: "compareAndSet",
  expected,
  value,
  called,
  returned,
  ...(returned === Infinity ? {} : { succeeded: true as const }),
});

describe("checkRegister", () => {
  it.each<[string, RegisterOp[]]>([
    ["nothing", []],
    ["one after the other", [write("1", 0, 1), read("1", 2, 3), write("2", 4, 5), read("2", 6, 7)]],
    ["a read beside a write sees either", [write("1", 0, 10), read(undefined, 1, 2), read("1", 3, 4)]],
    ["a deletion", [write("1", 0, 1), write(undefined, 2, 3), read(undefined, 4, 5)]],
    ["an unknown write that happened late", [write("1", 0, Infinity), read(undefined, 1, 2), read("1", 3, 4)]],
    ["an unknown write that never happened", [write("1", 0, Infinity), read(undefined, 1, 2)]],
    ["an unknown deletion", [write("1", 0, 1), write(undefined, 2, Infinity), read("1", 3, 4), read(undefined, 5, 6)]],
    ["a swap", [write("1", 0, 1), swap("1", "2", 2, 3), read("2", 4, 5)]],
    ["an unknown swap that happened", [write("1", 0, 1), swap("1", "2", 2, Infinity), read("2", 4, 5)]],
    ["a swap of what an unknown write left", [write("1", 0, Infinity), swap("1", "2", 2, 3), read("2", 4, 5)]],
  ])("lets through: %s", (_name, history) => {
    expect(checkRegister(history)).toBe("linearizable");
  });

  it.each<[string, RegisterOp[]]>([
    ["a stale read", [write("1", 0, 1), write("2", 2, 3), read("1", 4, 5)]],
    ["a lost write", [write("1", 0, 1), read(undefined, 2, 3)]],
    ["a read that goes back", [write("1", 0, 10), read("1", 1, 2), read(undefined, 3, 4)]],
    ["a value from nowhere", [read("9", 0, 1)]],
    ["a value before it was written", [read("1", 0, 1), write("1", 2, 3)]],
    ["two swaps of one value", [write("1", 0, 1), swap("1", "2", 2, 10), swap("1", "3", 2, 10)]],
    ["a deletion that comes twice", [write(undefined, 0, 1), write("1", 2, 3), read(undefined, 4, 5), read("1", 6, 7)]],
    ["an unknown write that is seen and unseen", [write("1", 0, Infinity), read("1", 1, 2), read(undefined, 3, 4)]],
  ])("finds: %s", (_name, history) => {
    expect(checkRegister(history)).toBe("not linearizable");
  });

  it("gives up, and says so, rather than pass what is too tangled", () => {
    const tangle = Array.from({ length: 40 }, (_, at) => write(String(at), 0, 1000));
    expect(checkRegister([...tangle, read("nowhere", 0, 1000)])).toBe("undecided");
  });
});
