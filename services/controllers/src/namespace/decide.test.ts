import { CONFIGMAPS, DEPLOYMENTS, type KubeObject, PODS, type Resource } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { conditionsOf } from "./decide.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const object = (name: string, ...finalizers: string[]): KubeObject => ({ metadata: { name, finalizers } });

function told(conditions: ReturnType<typeof conditionsOf>): string[] {
  return conditions.filter(({ status }) => status === "True").map(({ type, message }) => `${type}: ${message}`);
}

describe("a namespace that is being emptied", () => {
  it("says what remains in it, and which finalizers hold it there", () => {
    const conditions = conditionsOf(
      [
        { resource: PODS as Resource, objects: [object("a"), object("b")] },
        { resource: CONFIGMAPS as Resource, objects: [object("c", "example.com/hold", "example.com/other")] },
        { resource: DEPLOYMENTS as Resource, objects: [object("d", "example.com/hold")] },
      ],
      [],
      NOW,
    );
    expect(told(conditions)).toEqual([
      "NamespaceContentRemaining: Some resources are remaining: configmaps. has 1 resource instances, " +
        "deployments.apps has 1 resource instances, pods. has 2 resource instances",
      "NamespaceFinalizersRemaining: Some content in the namespace has finalizers remaining: " +
        "example.com/hold in 2 resource instances, example.com/other in 1 resource instances",
    ]);
    expect(conditions).toHaveLength(5);
  });

  it("says what could not be deleted", () => {
    const failure = new Error("pods is out of reach");
    expect(told(conditionsOf([{ resource: PODS as Resource, objects: [], failure }], [], NOW))).toEqual([
      "NamespaceDeletionContentFailure: Failed to delete all resource types, 1 remaining: pods is out of reach",
    ]);
  });

  it("keeps the time since when something is so", () => {
    const remaining = [{ resource: PODS as Resource, objects: [object("a")] }];
    const first = conditionsOf(remaining, [], NOW);
    const empty = conditionsOf([], first, NOW + 5_000);
    const times = empty.map(({ type, lastTransitionTime }) => `${type} ${lastTransitionTime}`);
    expect(times).toContain("NamespaceContentRemaining 2026-11-22T10:00:05Z");
    expect(times).toContain("NamespaceFinalizersRemaining 2026-11-22T10:00:00Z");
    expect(conditionsOf(remaining, first, NOW + 9_000)).toEqual(first);
  });
});
