/**
 * Goal: each controller may what it does and nothing of what another does (A34: nobody of them is a way to more). Method: one list
 * of requests, asked of every account with the roles as the bootstrap writes them.
 */
import { CONFIGMAPS, CONTROLLER_ACCOUNTS, type ControllerAccount, type Resource, controllerUser } from "@trireme/api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, callerNamed, startPipeline } from "../../fixture.ts";
import { impersonated, impersonationRights } from "../impersonation.ts";
import type { Attributes } from "../policy.ts";

/** Requests as `<verb> <resource>[.<group>][/<subresource>] [@<namespace>]`, by what each account may of them. */
const WORK: Readonly<Record<ControllerAccount, readonly string[]>> = {
  "cluster-dns-controller": ["create services @kube-system", "update endpointslices.discovery.k8s.io @kube-system"],
  "clusterrole-aggregation-controller": [
    "update clusterroles.rbac.authorization.k8s.io",
    "escalate clusterroles.rbac.authorization.k8s.io",
  ],
  "cronjob-controller": ["create jobs.batch", "delete jobs.batch", "update cronjobs.batch/status"],
  "daemon-set-controller": [
    "create pods",
    "delete pods",
    "patch pods",
    "update daemonsets.apps/status",
    "create controllerrevisions.apps",
  ],
  "deployment-controller": [
    "create replicasets.apps",
    "update replicasets.apps",
    "delete replicasets.apps",
    "update deployments.apps/status",
    "patch deployments.apps",
  ],
  "disruption-controller": ["update poddisruptionbudgets.policy/status"],
  "endpointslice-controller": [
    "create endpointslices.discovery.k8s.io",
    "update endpointslices.discovery.k8s.io",
    "update endpointslices.discovery.k8s.io @kube-system",
  ],
  "generic-garbage-collector": [
    "delete pods",
    "patch pods",
    "delete secrets",
    "delete widgets.example.com",
    "get secrets",
    "delete jobs.batch",
    "delete replicasets.apps",
    "patch deployments.apps",
    "patch nodes",
    "patch nodes/status",
    "delete nodes",
    "patch persistentvolumes",
    "patch persistentvolumeclaims",
    "delete rolebindings.rbac.authorization.k8s.io",
    "patch pods/status",
  ],
  "horizontal-pod-autoscaler": ["update deployments.apps/scale", "update horizontalpodautoscalers.autoscaling/status"],
  "job-controller": ["create pods", "delete pods", "patch pods", "update jobs.batch/status", "delete jobs.batch"],
  "monitoring-controller": ["create services @kube-system", "update endpointslices.discovery.k8s.io @kube-system"],
  "namespace-controller": [
    "delete pods",
    "delete secrets",
    "get secrets",
    "list secrets",
    "list pods",
    "delete widgets.example.com",
    "delete jobs.batch",
    "delete replicasets.apps",
    "delete nodes",
    "delete rolebindings.rbac.authorization.k8s.io",
    "update namespaces/finalize",
  ],
  "node-controller": ["patch nodes", "patch nodes/status", "patch pods/status", "delete pods"],
  "persistent-volume-binder": [
    "create persistentvolumes",
    "patch persistentvolumes",
    "patch persistentvolumeclaims",
    "update persistentvolumeclaims/status",
    "list pods",
  ],
  "replicaset-controller": ["create pods", "delete pods", "patch pods", "update replicasets.apps/status"],
  "root-ca-cert-publisher": ["create configmaps"],
  "service-account-controller": ["create serviceaccounts"],
  "statefulset-controller": [
    "create pods",
    "delete pods",
    "patch pods",
    "update statefulsets.apps/status",
    "create controllerrevisions.apps",
    "create persistentvolumeclaims",
    "patch persistentvolumeclaims",
  ],
};

/** What none of them may. */
const NEVER = [
  "create secrets",
  "update secrets",
  "create pods/exec",
  "create pods/binding",
  "create serviceaccounts/token",
  "impersonate serviceaccounts",
  "create rolebindings.rbac.authorization.k8s.io",
  "create clusterrolebindings.rbac.authorization.k8s.io",
  "bind clusterroles.rbac.authorization.k8s.io",
  "update leases.coordination.k8s.io @kube-system",
  "create nodes",
  "create services",
];
const ALL = [...new Set([...NEVER, ...Object.values(WORK).flat()])].toSorted();

function attributesOf(text: string): Attributes {
  const [verb = "", path = "", at = "@default"] = text.split(" ");
  const [full = "", subresource] = path.split("/");
  const [resource = "", ...group] = full.split(".");
  return { verb, resource, group: group.join("."), subresource, namespace: at.slice(1), name: "x" };
}

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startPipeline();
});
afterAll(() => fixture.stop());

describe("the account of each controller", () => {
  it.each(CONTROLLER_ACCOUNTS)("%s may do its work, and nothing else", async (account) => {
    const user = impersonated({ name: controllerUser(account), groups: [] });
    const may: string[] = [];
    for (const text of ALL) if ((await fixture.pipeline.decide(user, attributesOf(text))).allowed) may.push(text);
    // A right that holds everywhere holds in kube-system too.
    const everywhere = ALL.filter((text) => WORK[account].includes(text.replace(" @kube-system", "")));
    expect(may).toEqual([...new Set([...WORK[account], ...everywhere])].toSorted());
  });

  it("can be acted as by the controllers' process, and no other account or user can", async () => {
    const { user } = callerNamed("system:kube-controller-manager");
    const mayActAs = async (as: { name: string; groups?: string[] }): Promise<boolean> => {
      const rights = impersonationRights({ groups: [], ...as });
      const all = await Promise.all(rights.map((want) => fixture.pipeline.decide(user, want)));
      return all.every(({ allowed }) => allowed);
    };
    for (const account of CONTROLLER_ACCOUNTS) expect(await mayActAs({ name: controllerUser(account) })).toBe(true);
    const others = [
      { name: "system:serviceaccount:kube-system:default" },
      { name: "system:serviceaccount:default:deployment-controller" },
      { name: "admin" },
      { name: "system:kube-scheduler" },
      { name: "system:node:n1" },
      { name: controllerUser("deployment-controller"), groups: ["system:masters"] },
    ];
    for (const other of others) expect([other, await mayActAs(other)]).toEqual([other, false]);
  });

  it("carries the fence of the process that acts as it; the account itself has none", async () => {
    const fence = { election: "controllers", revision: 1 };
    const target = { resource: CONFIGMAPS as Resource, namespace: "default" };
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "fenced" } };
    const process = { ...callerNamed("system:kube-controller-manager"), fence };
    const account = { name: controllerUser("root-ca-cert-publisher"), groups: [] };
    const acting = await fixture.pipeline.actAs(process, account);
    // It is the process' fence that is looked at, and it is an old one.
    await expect(fixture.pipeline.create(acting, target, map, {})).rejects.toMatchObject({ code: "Fenced" });
    const direct = { user: impersonated(account), fence };
    await expect(fixture.pipeline.create(direct, target, map, {})).rejects.toThrow("may not use the fence");
    const admin = { ...callerNamed("admin", "system:masters"), fence };
    const posing = await fixture.pipeline.actAs(admin, { name: "system:kube-controller-manager", groups: [] });
    await expect(fixture.pipeline.create(posing, target, map, {})).rejects.toThrow("may not use the fence");
  });
});
