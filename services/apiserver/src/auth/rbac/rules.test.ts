import type { PolicyRule } from "@trireme/api";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeRules, uncovered } from "./cover.ts";
import { ruleAllows, ruleAllowsPath } from "./rules.ts";

const rule = (verbs: string, groups: string, resources: string, names?: string): PolicyRule => ({
  verbs: verbs.split(","),
  apiGroups: groups.split(","),
  resources: resources.split(","),
  ...(names === undefined ? {} : { resourceNames: names.split(",") }),
});
const want = (verb: string, group: string, path: string, name?: string) => {
  const [resource = "", subresource] = path.split("/");
  return { verb, group, resource, subresource, name };
};

describe("a rule", () => {
  it.each([
    ["a verb on a resource", rule("get", "", "pods"), want("get", "", "pods"), true],
    ["no other verb", rule("get", "", "pods"), want("list", "", "pods"), false],
    ["no other group", rule("get", "", "pods"), want("get", "metrics.k8s.io", "pods"), false],
    ["all verbs", rule("*", "", "pods"), want("impersonate", "", "pods"), true],
    ["all groups", rule("get", "*", "pods"), want("get", "metrics.k8s.io", "pods"), true],
    ["the resource without its subresources", rule("get", "", "pods"), want("get", "", "pods/log"), false],
    ["a subresource without its resource", rule("get", "", "pods/log"), want("get", "", "pods"), false],
    ["everything of all resources", rule("get", "", "*"), want("get", "", "pods/log"), true],
    ["one subresource of all", rule("get", "", "*/scale"), want("get", "", "widgets/scale"), true],
    ["no resource by one of all subresources", rule("get", "", "*/scale"), want("get", "", "scale"), false],
    ["no half of a star", rule("get", "", "pods/*"), want("get", "", "pods/log"), false],
    ["objects of its names", rule("get", "", "secrets", "a,b"), want("get", "", "secrets", "b"), true],
    ["no objects of others", rule("get", "", "secrets", "a"), want("get", "", "secrets", "c"), false],
    ["no list by a name", rule("list", "", "secrets", "a"), want("list", "", "secrets"), false],
  ])("allows %s", (_, given, wanted, allowed) => {
    expect(ruleAllows(given, wanted)).toBe(allowed);
  });

  it("allows paths, and what is below where it ends in a star", () => {
    const paths = { verbs: ["get"], nonResourceURLs: ["/apis/*", "/version"] };
    const asked = ["/apis/apps", "/apis/", "/apis", "/version", "/version/", "/"];
    expect(asked.map((path) => ruleAllowsPath(paths, "get", path))).toEqual([true, true, false, true, false, false]);
    expect(ruleAllowsPath(paths, "post", "/version")).toBe(false);
    expect(ruleAllowsPath(rule("*", "*", "*"), "get", "/version")).toBe(false);
  });
});

describe("what one may give", () => {
  it("is what single rules of one's own allow", () => {
    const held = [rule("get", "", "pods"), rule("list", "", "pods"), rule("get", "", "secrets", "a")];
    expect(uncovered(held, [rule("get,list", "", "pods")])).toEqual([]);
    expect(describeRules(uncovered(held, [rule("get,list,watch,patch", "", "pods,nodes")]))).toEqual([
      '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list" "watch" "patch"]}',
      '{APIGroups:[""], Resources:["pods"], Verbs:["watch" "patch"]}',
    ]);
    expect(describeRules(uncovered(held, [rule("get", "", "secrets", "a,b")]))).toEqual([
      '{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}',
    ]);
    expect(uncovered(held, [rule("get", "", "secrets")])).toHaveLength(1);
    expect(uncovered([rule("*", "*", "*")], [{ verbs: ["get"], nonResourceURLs: ["/"] }])).toHaveLength(1);
    expect(uncovered([rule("get", "", "*/scale")], [rule("get", "", "pods/scale")])).toEqual([]);
  });

  it("never allows a request that one's own rules do not", () => {
    const word = fc.constantFrom("a", "b", "*");
    const resource = fc.constantFrom("a", "b", "a/s", "b/s", "*/s", "*");
    const names = fc.option(fc.uniqueArray(fc.constantFrom("x", "y"), { minLength: 1 }), { nil: undefined });
    const anyRule = fc
      .record({ verbs: fc.array(word, { minLength: 1 }), apiGroups: fc.array(word, { minLength: 1 }) })
      .chain((head) => fc.tuple(fc.constant(head), fc.array(resource, { minLength: 1 }), names))
      .map(([head, resources, resourceNames]): PolicyRule => {
        return { ...head, resources, ...(resourceNames === undefined ? {} : { resourceNames }) };
      });
    const request = fc.record({
      verb: fc.constantFrom("a", "b", "c"),
      group: fc.constantFrom("a", "b", "c"),
      resource: fc.constantFrom("a", "b", "c"),
      subresource: fc.constantFrom(undefined, "s", "t"),
      name: fc.constantFrom(undefined, "x", "y", "z"),
    });
    fc.assert(
      fc.property(fc.array(anyRule), anyRule, request, (held, given, asked) => {
        if (uncovered(held, [given]).length > 0 || !ruleAllows(given, asked)) return;
        expect(held.some((one) => ruleAllows(one, asked))).toBe(true);
      }),
    );
  });
});
