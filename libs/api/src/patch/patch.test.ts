import { describe, expect, it } from "vitest";
import { DEPLOYMENTS, Pod, jsonMergePatch, jsonPatch, strategicMergePatch } from "../index.ts";

const pod = (containers: unknown[], rest = {}): object => ({ spec: { containers, ...rest } });

describe("jsonMergePatch", () => {
  it("merges objects, removes by null, replaces the rest, and leaves its inputs alone", () => {
    const target = { a: 1, b: { c: 2, d: 3 }, e: [1, 2] };
    expect(jsonMergePatch(target, { a: null, b: { c: null, x: { y: null, z: 1 } }, e: [3] })).toEqual({
      b: { d: 3, x: { z: 1 } },
      e: [3],
    });
    expect(target).toEqual({ a: 1, b: { c: 2, d: 3 }, e: [1, 2] });
    jsonMergePatch({}, JSON.parse('{"__proto__":{"admin":true}}'));
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it("refuses nesting that would exhaust the stack", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 50_000; i++) deep = { a: deep };
    expect(() => jsonMergePatch({}, deep)).toThrow("deeper than 100");
  });
});

describe("strategicMergePatch", () => {
  it("merges lists by their key and others whole", () => {
    const original = pod([{ name: "a", image: "x:1", args: ["1"], env: [{ name: "E", value: "1" }] }, { name: "b" }]);
    const patch = pod([{ name: "a", image: "x:2", args: ["2"], env: [{ name: "F", value: "2" }] }]);
    const env = [
      { name: "E", value: "1" },
      { name: "F", value: "2" },
    ];
    expect(strategicMergePatch(Pod, original, patch)).toEqual(
      pod([{ name: "a", image: "x:2", args: ["2"], env }, { name: "b" }]),
    );
  });

  it("deletes and replaces by directive", () => {
    const original = pod(
      [
        { name: "a", image: "x" },
        { name: "b", image: "y" },
      ],
      { nodeSelector: { a: "1", b: "2" } },
    );
    expect(strategicMergePatch(Pod, original, pod([{ name: "a", $patch: "delete" }]))).toMatchObject(
      pod([{ name: "b", image: "y" }]),
    );
    expect(strategicMergePatch(Pod, original, pod([{ name: "c" }, { $patch: "replace" }]))).toMatchObject(
      pod([{ name: "c" }]),
    );
    const replaced = { spec: { nodeSelector: { $patch: "replace", z: "1" } } };
    expect(strategicMergePatch(Pod, original, replaced)).toMatchObject({ spec: { nodeSelector: { z: "1" } } });
    expect(strategicMergePatch(Pod, original, { spec: { nodeSelector: { a: null } } })).toMatchObject({
      spec: { nodeSelector: { b: "2" } },
    });
  });

  it("keeps the order that the patch sets and weaves in what only the server has", () => {
    const original = pod([{ name: "server" }, { name: "a" }, { name: "b" }, { name: "late" }]);
    const patch = {
      spec: {
        "$setElementOrder/containers": [{ name: "c" }, { name: "b" }, { name: "a" }],
        containers: [{ name: "c", image: "new" }],
      },
    };
    const result = strategicMergePatch(Pod, original, patch) as { spec: { containers: { name: string }[] } };
    expect(result.spec.containers.map((c) => c.name)).toEqual(["c", "server", "b", "a", "late"]);
    expect(result.spec).not.toHaveProperty("$setElementOrder/containers");
    const orderOnly = { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } };
    const two = pod([{ name: "a" }, { name: "b" }]);
    expect(strategicMergePatch(Pod, two, orderOnly)).toEqual(pod([{ name: "b" }, { name: "a" }]));
  });

  it("edits lists of scalars that merge", () => {
    const original = { metadata: { finalizers: ["a", "b"] } };
    expect(strategicMergePatch(Pod, original, { metadata: { finalizers: ["c", "a"] } })).toEqual({
      metadata: { finalizers: ["a", "b", "c"] },
    });
    const removal = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } };
    expect(strategicMergePatch(Pod, original, removal)).toEqual({ metadata: { finalizers: ["b"] } });
  });

  it("retains only the members of a union that the patch names", () => {
    const original = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
    const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
    expect(strategicMergePatch(DEPLOYMENTS.schema, original, patch)).toEqual({
      spec: { strategy: { type: "Recreate" } },
    });
  });

  it("drops nulls and directives of what is new, and names a missing merge key", () => {
    const patch = pod([{ name: "a", image: null, env: [{ name: "x", $patch: "delete" }, { name: "y" }] }]);
    expect(strategicMergePatch(Pod, {}, patch)).toEqual(pod([{ name: "a", env: [{ name: "y" }] }]));
    expect(() => strategicMergePatch(Pod, pod([{ name: "a" }]), pod([{ image: "x" }]))).toThrow('merge key "name"');
  });
});

describe("jsonPatch", () => {
  it("adds, replaces, removes, moves, copies and tests", () => {
    const document = { a: [1, 2], "b/c": { "d~e": 1 } };
    const result = jsonPatch(document, [
      { op: "test", path: "/b~1c/d~0e", value: 1 },
      { op: "add", path: "/a/1", value: 9 },
      { op: "add", path: "/a/-", value: 3 },
      { op: "replace", path: "/a/0", value: 0 },
      { op: "copy", from: "/a", path: "/copy" },
      { op: "remove", path: "/a/0" },
      { op: "move", from: "/b~1c", path: "/moved" },
    ]);
    expect(result).toEqual({ a: [9, 2, 3], copy: [0, 9, 2, 3], moved: { "d~e": 1 } });
    expect(document).toEqual({ a: [1, 2], "b/c": { "d~e": 1 } });
    expect(jsonPatch({ a: 1 }, [{ op: "replace", path: "", value: 2 }])).toBe(2);
  });

  it("says which operation fails and why", () => {
    const run =
      (...operations: object[]) =>
      () =>
        jsonPatch({ a: [1] }, operations);
    expect(run({ op: "remove", path: "/x" })).toThrow('operation 0: there is nothing at "/x"');
    expect(run({ op: "replace", path: "/x/y", value: 1 })).toThrow("nothing at");
    expect(run({ op: "add", path: "/a/5", value: 1 })).toThrow("nothing at");
    expect(run({ op: "test", path: "/a/0", value: 2 })).toThrow("is another");
    expect(run({ op: "add", path: "/__proto__/x", value: 1 })).toThrow("prototype");
    expect(run({ op: "jump", path: "/a" })).toThrow("no JSON patch operation");
  });

  it("bounds operations and copies", () => {
    expect(() =>
      jsonPatch(
        {},
        Array.from({ length: 10_001 }, () => ({ op: "test", path: "" })),
      ),
    ).toThrow("10000");
    const bomb = Array.from({ length: 40 }, (_, i) => ({ op: "copy", from: "", path: `/k${i}` }));
    expect(() => jsonPatch({ a: 1 }, bomb)).toThrow("may copy");
  });
});
