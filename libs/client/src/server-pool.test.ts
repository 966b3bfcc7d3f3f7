import { describe, expect, it } from "vitest";
import { LineSplitter } from "./line-splitter.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { ServerPool } from "./server-pool.ts";

describe("ServerPool", () => {
  it("keeps to the list's order, puts failed servers last, longest ago first", () => {
    const pool = new ServerPool(["a", "b", "c"]);
    expect(pool.order()).toEqual([0, 1, 2]);
    pool.markDown(0);
    pool.markDown(1);
    expect(pool.order()).toEqual([2, 0, 1]);
    pool.markDown(0);
    expect(pool.order()).toEqual([2, 1, 0]);
    expect(pool.down()).toEqual([0, 1]);
    pool.markUp(0);
    expect(pool.order()).toEqual([0, 2, 1]);
  });
});

describe("LineSplitter", () => {
  it("refuses a line past its bound", () => {
    const splitter = new LineSplitter(4);
    expect(splitter.push(Buffer.from("ab\ncd"))).toEqual(["ab"]);
    expect(splitter.push(Buffer.from("ef\n"))).toEqual(["cdef"]);
    expect(() => splitter.push(Buffer.from("12345"))).toThrow("longer than 4 bytes");
  });
});

describe("paths", () => {
  it("never let a name climb out of its place", () => {
    const pods = { group: "", version: "v1", resource: "pods", namespaced: true };
    expect(objectPath(pods, "ns", "../nodes/x", "log")).toBe("/api/v1/namespaces/ns/pods/..%2Fnodes%2Fx/log");
    expect(collectionPath(pods, undefined)).toBe("/api/v1/pods");
    expect(() => objectPath(pods, undefined, "a")).toThrow("which namespace");
  });
});
