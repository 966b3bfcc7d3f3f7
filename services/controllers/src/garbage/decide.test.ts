import type { KubeObject, OwnerReference } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type OwnerState, decideGarbage } from "./decide.ts";

const owner = (uid: string): OwnerReference => ({
  apiVersion: "v1",
  kind: "K",
  name: uid,
  uid,
  blockOwnerDeletion: true,
});

function object(owners: string[], change: Partial<KubeObject["metadata"]> = {}): KubeObject {
  return { metadata: { name: "o", uid: "o", ownerReferences: owners.map(owner), ...change } };
}

const ending = { deletionTimestamp: "2026-11-22T10:00:00Z" };

describe("decideGarbage", () => {
  it.each<[string, KubeObject, OwnerState[], KubeObject[], unknown[]]>([
    ["nobody owns it", object([]), [], [], []],
    ["its owner lives", object(["a"]), ["solid"], [], []],
    ["its owner is gone", object(["a"]), ["absent"], [], [{ type: "delete", propagationPolicy: "Background" }]],
    [
      "both owners are gone",
      object(["a", "b"]),
      ["absent", "absent"],
      [],
      [{ type: "delete", propagationPolicy: "Background" }],
    ],
    [
      "one of two owners lives",
      object(["a", "b"]),
      ["absent", "solid"],
      [],
      [{ type: "setOwners", owners: [owner("b")] }],
    ],
    [
      "a living owner outweighs a waiting one",
      object(["a", "b"]),
      ["waiting", "solid"],
      [],
      [{ type: "setOwners", owners: [owner("b")] }],
    ],
    ["its owner waits for it", object(["a"]), ["waiting"], [], [{ type: "delete", propagationPolicy: "Background" }]],
    [
      "its owner waits, and it has dependents",
      object(["a"]),
      ["waiting"],
      [object(["o"])],
      [{ type: "delete", propagationPolicy: "Foreground" }],
    ],
    [
      "it orphans its dependents",
      object(["a"], { finalizers: ["orphan"] }),
      ["absent"],
      [],
      [{ type: "delete", propagationPolicy: "Orphan" }],
    ],
    ["it is ending already", object(["a"], ending), ["absent"], [], []],
    [
      "foreground: dependents are left",
      object([], { ...ending, finalizers: ["foregroundDeletion"] }),
      [],
      [object(["o"])],
      [],
    ],
    [
      "foreground: only dependents that do not block are left",
      object([], { ...ending, finalizers: ["foregroundDeletion"] }),
      [],
      [object([], { ownerReferences: [{ ...owner("o"), blockOwnerDeletion: false }] })],
      [{ type: "dropFinalizer", finalizer: "foregroundDeletion" }],
    ],
    [
      "foreground: all dependents are gone",
      object([], { ...ending, finalizers: ["foregroundDeletion"] }),
      [],
      [],
      [{ type: "dropFinalizer", finalizer: "foregroundDeletion" }],
    ],
    [
      "orphan: all are let go",
      object([], { ...ending, finalizers: ["orphan"] }),
      [],
      [],
      [{ type: "dropFinalizer", finalizer: "orphan" }],
    ],
  ])("%s", (_name, one, owners, dependents, expected) => {
    expect(decideGarbage({ object: one, owners, dependents })).toEqual(expected);
  });

  it("lets dependents go before the finalizer", () => {
    const dependent = object(["o"]);
    const orphaning = object([], { ...ending, finalizers: ["orphan"] });
    expect(decideGarbage({ object: orphaning, owners: [], dependents: [dependent] })).toEqual([
      { type: "letGo", dependents: [dependent] },
    ]);
  });
});
