import { describe, expect, it } from "vitest";
import { callerNamed } from "../fixture.ts";
import { checkFenceIdentity, electionOfLease, parseFence } from "./fence.ts";
import { type Attributes, forbiddenMessage, isAllowed, mayReadPath, nodeMayChangeVolume } from "./policy.ts";
import { ANONYMOUS } from "./user.ts";

const admin = callerNamed("admin", "system:masters").user;
const node = callerNamed("system:node:n1", "system:nodes").user;
const scheduler = callerNamed("system:kube-scheduler").user;
const dns = callerNamed("system:dns:n1", "system:dns").user;
const nobody = callerNamed("mallory").user;

function want(text: string, more: Partial<Attributes> = {}): Attributes {
  const [verb = "", path = ""] = text.split(" ");
  const [resource = "", subresource] = path.split("/");
  return { verb, group: "", resource, subresource, namespace: "default", name: "x", ...more };
}
const lease = (verb: string, namespace: string, name: string): Attributes =>
  want(`${verb} leases`, { group: "coordination.k8s.io", namespace, name });

describe("the policy", () => {
  it.each([
    ["admin may do anything", admin, want("delete secrets"), true],
    ["nobody may do nothing", nobody, want("get pods"), false],
    ["anonymous may do nothing", ANONYMOUS, want("get pods"), false],
    ["a node reads pods", node, want("list pods"), true],
    ["a node creates no pods", node, want("create pods"), false],
    ["a node writes pods' status", node, want("patch pods/status"), true],
    ["a node changes no pods", node, want("patch pods"), false],
    ["a node binds nothing", node, want("create pods/binding"), false],
    ["a node reads one Secret", node, want("get secrets"), true],
    ["a node watches one Secret", node, want("watch secrets"), true],
    ["a node lists no Secrets", node, want("list secrets", { name: undefined }), false],
    ["a node watches no Secrets", node, want("watch secrets", { name: undefined }), false],
    ["a node lists no ConfigMaps", node, want("list configmaps", { name: undefined }), false],
    ["a node reads one claim", node, want("get persistentvolumeclaims"), true],
    ["a node removes no volume", node, want("delete persistentvolumes", { namespace: undefined }), false],
    ["the scheduler tells claims their node", scheduler, want("patch persistentvolumeclaims"), true],
    ["a node writes itself", node, want("patch nodes/status", { name: "n1", namespace: undefined }), true],
    ["a node writes no other node", node, want("patch nodes/status", { name: "n2", namespace: undefined }), false],
    ["a node creates itself", node, want("create nodes", { name: "n1", namespace: undefined }), true],
    ["a node creates no unnamed node", node, want("create nodes", { name: "", namespace: undefined }), false],
    ["a node renews its lease", node, lease("update", "kube-node-lease", "n1"), true],
    ["a node renews no other's lease", node, lease("update", "kube-node-lease", "n2"), false],
    ["a node touches no election", node, lease("update", "kube-system", "n1"), false],
    ["the scheduler binds", scheduler, want("create pods/binding"), true],
    ["the scheduler deletes nothing", scheduler, want("delete pods"), false],
    ["the scheduler stands for its election", scheduler, lease("update", "kube-system", "trireme-scheduler"), true],
    ["the scheduler takes no other", scheduler, lease("update", "kube-system", "trireme-controllers"), false],
    ["the DNS reads services", dns, want("watch services"), true],
    ["the DNS reads no ConfigMaps", dns, want("list configmaps"), false],
    ["a group is not a user", callerNamed("system:masters").user, want("get pods"), false],
    ["a node's name needs the nodes' group", callerNamed("system:node:n1").user, want("list pods"), false],
  ])("%s", (_, user, attributes, allowed) => {
    expect(isAllowed(user, attributes)).toBe(allowed);
  });

  it("shows documents to those with an identity, and metrics to administrators", () => {
    expect(["/livez", "/api"].map((path) => mayReadPath(ANONYMOUS, path))).toEqual([true, false]);
    expect(["/openapi/v3", "/metrics"].map((path) => mayReadPath(nobody, path))).toEqual([true, false]);
    expect(mayReadPath(admin, "/metrics")).toBe(true);
  });

  it("lets a node give up its finalizer on a volume of its own, and change nothing else", () => {
    const volume = (finalizers: string[], more: object = {}) => ({
      metadata: { name: "v", labels: { "kubernetes.io/hostname": "n1" }, finalizers },
      spec: { local: { path: "/x" }, ...more },
    });
    const [ours, theirs] = ["trireme.dev/local-path", "kubernetes.io/pv-protection"];
    const before = volume([theirs, ours]);
    expect(nodeMayChangeVolume(node, volume([theirs]), before)).toBe(true);
    expect(nodeMayChangeVolume(node, volume([]), before)).toBe(false);
    expect(nodeMayChangeVolume(node, volume([theirs], { claimRef: { name: "mine" } }), before)).toBe(false);
    expect(nodeMayChangeVolume(callerNamed("system:node:n2", "system:nodes").user, volume([theirs]), before)).toBe(
      false,
    );
    expect(nodeMayChangeVolume(admin, volume([]), before)).toBe(true);
  });

  it("says no in Kubernetes' words", () => {
    expect(forbiddenMessage(nobody, want("patch pods/status"))).toBe(
      'pods "x" is forbidden: User "mallory" cannot patch resource "pods/status" in API group "" in the namespace "default"',
    );
    expect(forbiddenMessage(nobody, { verb: "list", group: "apps", resource: "deployments" })).toBe(
      'deployments.apps is forbidden: User "mallory" cannot list resource "deployments" in API group "apps" at the cluster scope',
    );
  });
});

describe("fences", () => {
  it("are read from the header, or refused", () => {
    expect(parseFence("scheduler=12")).toEqual({ election: "scheduler", revision: 12 });
    expect(parseFence(undefined)).toBeUndefined();
    for (const bad of ["scheduler", "scheduler=", "=1", "scheduler=0", "a=1b", "a=99999999999999999"]) {
      expect(() => parseFence(bad)).toThrow("Trireme-Fence");
    }
  });

  it("belong to one identity each", () => {
    expect(() => checkFenceIdentity(scheduler, { election: "scheduler", revision: 1 })).not.toThrow();
    expect(() => checkFenceIdentity(admin, { election: "scheduler", revision: 1 })).toThrow("may not use the fence");
    expect(() => checkFenceIdentity(scheduler, { election: "unheard", revision: 1 })).toThrow("may not use the fence");
  });

  it("stand behind Leases of one name pattern in one namespace", () => {
    expect(electionOfLease("kube-system", "trireme-relay")).toBe("relay");
    expect(electionOfLease("default", "trireme-relay")).toBeUndefined();
    expect(electionOfLease("kube-system", "other")).toBeUndefined();
  });
});
