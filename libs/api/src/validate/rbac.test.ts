import { describe, expect, it } from "vitest";
import {
  CLUSTERROLEBINDINGS,
  CLUSTERROLES,
  type ClusterRole,
  type KubeObject,
  ROLEBINDINGS,
  ROLES,
  type Resource,
  aggregatedRules,
  applyDefaults,
  tableFor,
  validateCreate,
  validateUpdate,
} from "../index.ts";

const GROUP = "rbac.authorization.k8s.io";

function told<T extends KubeObject>(resource: Resource<T>, body: object): string[] {
  const namespace = resource.namespaced ? { namespace: "default" } : {};
  const object = { metadata: { name: "system:some-role", ...namespace }, ...body } as T;
  return validateCreate(resource, applyDefaults(resource, object)).map((error) => `${error.field}: ${error.message}`);
}

describe("roles", () => {
  it("need verbs, groups and resources", () => {
    const rules = [{ verbs: [] }, { verbs: ["get"], apiGroups: [""], resources: ["pods"] }];
    expect(told(ROLES, { rules })).toEqual([
      "rules[0].verbs: Required value: verbs must contain at least one value",
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]);
  });

  it("keep paths to cluster roles, and apart from resources", () => {
    const path = { verbs: ["get"], nonResourceURLs: ["/healthz"] };
    expect(told(CLUSTERROLES, { rules: [path] })).toEqual([]);
    expect(told(ROLES, { rules: [path] })).toEqual([
      'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs',
    ]);
    expect(told(CLUSTERROLES, { rules: [{ ...path, resources: ["pods"] }] })).toEqual([
      'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: rules cannot apply to both regular resources and non-resource URLs',
    ]);
  });

  it("aggregate by at least one selector", () => {
    expect(told(CLUSTERROLES, { aggregationRule: {} })).toEqual([
      "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
    ]);
  });

  it("may have any name that is a segment of a path", () => {
    const named = (name: string): string[] =>
      validateCreate(CLUSTERROLES, { metadata: { name } } as never).map((error) => error.message);
    expect(named("system::leader-locking")).toEqual([]);
    expect(named("a/b")).toEqual([`Invalid value: "a/b": may not contain '/'`]);
    expect(named("..")).toEqual([`Invalid value: "..": may not be '..'`]);
  });
});

describe("bindings", () => {
  const roleRef = { kind: "ClusterRole", name: "edit" };

  it("are given the group of their role and subjects", () => {
    const binding = { metadata: { name: "b" }, roleRef, subjects: [{ kind: "User", name: "ann" }] } as never;
    expect(applyDefaults(ROLEBINDINGS, binding)).toMatchObject({
      roleRef: { apiGroup: GROUP },
      subjects: [{ apiGroup: GROUP }],
    });
  });

  it("name subjects that can be", () => {
    const subjects = [
      { kind: "User", name: "ann" },
      { kind: "Robot", name: "r2" },
      { kind: "ServiceAccount", name: "default" },
      { kind: "Group", name: "g", apiGroup: "other" },
    ];
    expect(told(ROLEBINDINGS, { roleRef, subjects })).toEqual([
      'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
      "subjects[2].namespace: Required value",
      `subjects[3].apiGroup: Unsupported value: "other": supported values: "${GROUP}"`,
    ]);
  });

  it("give no namespace's Role to the whole cluster", () => {
    expect(told(CLUSTERROLEBINDINGS, { roleRef: { kind: "Role", name: "r" } })).toEqual([
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ]);
    expect(told(ROLEBINDINGS, { roleRef: { kind: "Role", name: "r" } })).toEqual([]);
  });

  it("stay with their role", () => {
    const binding = (name: string): never =>
      ({ metadata: { name: "b", namespace: "default" }, roleRef: { apiGroup: GROUP, kind: "Role", name } }) as never;
    expect(validateUpdate(ROLEBINDINGS, binding("b"), binding("a")).map((error) => error.message)).toEqual([
      `Invalid value: {"apiGroup":"${GROUP}","kind":"Role","name":"b"}: cannot change roleRef`,
    ]);
  });

  it("are printed with their role and, wide, with whom they are for", () => {
    const subjects = [
      { kind: "User", name: "ann" },
      { kind: "User", name: "bob" },
      { kind: "ServiceAccount", name: "ci", namespace: "build" },
    ];
    const binding = { metadata: { name: "b" }, roleRef: { ...roleRef, apiGroup: GROUP }, subjects } as never;
    const { rows } = tableFor(ROLEBINDINGS, [binding], { now: 0 });
    expect(rows[0]!.cells).toEqual(["b", "ClusterRole/edit", "<unknown>", "ann, bob", "", "build/ci"]);
  });
});

describe("aggregation", () => {
  const role = (name: string, labels: Record<string, string>, ...resources: string[]): ClusterRole => ({
    metadata: { name, labels },
    rules: resources.map((resource) => ({ verbs: ["get"], apiGroups: [""], resources: [resource] })),
  });
  const to = (label: string) => ({ aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: "true" } }] } });

  it("gathers each rule once, of the roles that match, without itself", () => {
    const view = { ...role("view", { toView: "true" }, "secrets"), ...to("toView") };
    const others = [role("b", { toView: "true" }, "pods", "services"), role("a", { toView: "true" }, "pods")];
    const rules = aggregatedRules(view, [view, ...others, role("c", {}, "nodes")]);
    expect(rules?.map((rule) => rule.resources)).toEqual([["pods"], ["services"]]);
  });

  it("is for roles that ask for it", () => {
    expect(aggregatedRules(role("plain", {}, "pods"), [])).toBeUndefined();
  });
});
