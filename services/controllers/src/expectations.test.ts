import type { KubeObject } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { Expectations, type Shows } from "./expectations.ts";

function object(name: string, resourceVersion: string): KubeObject {
  return { metadata: { name, namespace: "ns", uid: `uid-${name}`, resourceVersion } };
}

function cache(revision: number, ...objects: KubeObject[]): { informer: Shows; set(revision: number): void } {
  const state = {
    revision,
    get: (_namespace: string, name: string) => objects.find((one) => one.metadata.name === name),
  };
  return {
    informer: state,
    set: (next) => {
      state.revision = next;
    },
  };
}

describe("Expectations", () => {
  it("are met when the cache holds the written revision, or is complete up to it", () => {
    const expectations = new Expectations();
    const { informer, set } = cache(10, object("shown", "12"), object("old", "5"));
    expect(expectations.met("k")).toBe(true);
    expectations.wrote("k", informer, object("shown", "12"));
    expect(expectations.met("k")).toBe(true);
    expectations.wrote("k", informer, object("old", "13"));
    expect(expectations.met("k")).toBe(false);
    set(13);
    expect(expectations.met("k")).toBe(true);
  });

  it("are met for an object that came and went, once the cache is complete up to its creation", () => {
    const expectations = new Expectations();
    const { informer, set } = cache(10);
    expectations.wrote("k", informer, object("gone", "12"));
    expect(expectations.met("k")).toBe(false);
    set(12);
    expect(expectations.met("k")).toBe(true);
  });

  it("wait for removals, unless they failed", () => {
    const expectations = new Expectations();
    expectations.removing("k", "u");
    expect(expectations.met("k", () => false)).toBe(false);
    expect(expectations.met("k", () => true)).toBe(true);
    expectations.removing("k", "u");
    expectations.kept("k", "u");
    expect(expectations.met("k", () => false)).toBe(true);
  });
});
