import { describe, expect, it } from "vitest";
import { LineSplitter } from "./line-splitter.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { ServerPool } from "./server-pool.ts";

describe("ServerPool", () => {
  it("keeps to the list's order, puts failed servers last, longest ago first", () => {
    const pool = new ServerPool(["a", "b", "c"]);
    expect(pool.order()).toEqual(["a", "b", "c"]);
    pool.markDown("a");
    pool.markDown("b");
    expect(pool.order()).toEqual(["c", "a", "b"]);
    pool.markDown("a");
    expect(pool.order()).toEqual(["c", "b", "a"]);
    expect(pool.down()).toEqual(["a", "b"]);
    pool.markUp("a");
    expect(pool.order()).toEqual(["a", "c", "b"]);
  });

  it("takes another list: who stays keeps its place, who comes is behind, who goes is forgotten", () => {
    const pool = new ServerPool(["a", "b", "c"]);
    pool.markDown("b");
    pool.markDown("c");
    pool.replace(["d", "c", "a"]);
    expect(pool.addresses).toEqual(["a", "c", "d"]);
    expect(pool.order()).toEqual(["a", "d", "c"]);
    pool.replace(["b"]);
    expect(pool.down()).toEqual([]);
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
