/** Who may do what in a new cluster. Method: the default roles as the bootstrap writes them, asked through the pipeline. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CLUSTERROLEBINDINGS,
  CLUSTERROLES,
  type ClusterRole,
  type KubeObject,
  LEASES,
  NAMESPACES,
  PERSISTENTVOLUMES,
  PODS,
  type Resource,
  SECRETS,
  SELFSUBJECTACCESSREVIEWS,
  SELFSUBJECTRULESREVIEWS,
  SUBJECTACCESSREVIEWS,
} from "@trireme/api";
import { ADMIN, type Fixture, callerNamed, podNamed, startPipeline } from "../fixture.ts";
import { restrictNode } from "./node/node-restriction.ts";
import { type Attributes, forbiddenMessage } from "./policy.ts";
import { ANONYMOUS } from "./user.ts";

const admin = callerNamed("admin", "system:masters").user;
const node = callerNamed("system:node:n1", "system:nodes").user;
const scheduler = callerNamed("system:kube-scheduler").user;
const controllers = callerNamed("system:kube-controller-manager").user;
const relay = callerNamed("system:trireme-relay").user;
const dns = callerNamed("system:dns:n1", "system:dns").user;
const balancer = callerNamed("system:trireme-balancer").user;
const nobody = callerNamed("mallory").user;
const ann = callerNamed("ann").user;

const GROUP = "rbac.authorization.k8s.io";

/** `<verb> <resource>[.<group>][/<subresource>] [<name>]`, in the namespace `default`. */
function want(text: string, more: Partial<Attributes> = {}): Attributes {
  const [verb = "", path = "", name] = text.split(" ");
  const [full = "", subresource] = path.split("/");
  const dot = full.indexOf(".");
  const [resource, group] = dot === -1 ? [full, ""] : [full.slice(0, dot), full.slice(dot + 1)];
  return { verb, group, resource, subresource, namespace: "default", name, ...more };
}
const lease = (verb: string, namespace: string, name?: string): Attributes =>
  want(`${verb} leases.coordination.k8s.io`, { namespace, name });

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startPipeline();
  const mounts = { volumes: [{ name: "v", secret: { secretName: "mine" } }] };
  const pod = podNamed("p1", { nodeName: "n1" }) as KubeObject & { spec: { containers: object[]; volumes?: object[] } };
  pod.spec.volumes = mounts.volumes;
  pod.spec.containers = [{ name: "c", image: "x:1", envFrom: [{ configMapRef: { name: "settings" } }] }];
  await fixture.create(pod);
  await fixture.create({ ...podNamed("p2", { nodeName: "n2" }) });
  await bind("edit-ann", "RoleBinding", { kind: "ClusterRole", name: "edit" }, "ann");
});
afterAll(() => fixture.stop());

function bind(name: string, kind: string, roleRef: object, user: string): Promise<KubeObject> {
  const subjects = [{ kind: "User", name: user }];
  return fixture.create({ apiVersion: `${GROUP}/v1`, kind, metadata: { name }, roleRef, subjects } as KubeObject);
}

describe("the default policy", () => {
  it.each([
    ["admin may do anything", admin, want("delete secrets x"), true],
    ["nobody may do nothing", nobody, want("get pods x"), false],
    ["anonymous may do nothing", ANONYMOUS, want("get pods x"), false],
    ["everybody may ask what they may", nobody, want("create selfsubjectaccessreviews.authorization.k8s.io"), true],
    ["not everybody may ask what others may", nobody, want("create subjectaccessreviews.authorization.k8s.io"), false],
    ["a group is not a user", callerNamed("system:masters").user, want("get pods x"), false],

    ["a node follows its pods", node, want("watch pods", { nodeName: "n1" }), true],
    ["a node follows no other's pods", node, want("watch pods", { nodeName: "n2" }), false],
    ["a node lists not all pods", node, want("list pods"), false],
    ["a node creates no pods", node, want("create pods"), false],
    ["a node writes pods' status", node, want("patch pods/status x"), true],
    ["a node changes no pods", node, want("patch pods x"), false],
    ["a node binds nothing", node, want("create pods/binding x"), false],
    ["a node gets into no pods", node, want("create pods/exec x"), false],
    ["a node reads a Secret that its pod names", node, want("get secrets mine"), true],
    ["a node follows a Secret that its pod names", node, want("watch secrets mine"), true],
    ["a node reads no other Secret", node, want("get secrets other"), false],
    ["a node reads none of that name elsewhere", node, want("get secrets mine", { namespace: "kube-system" }), false],
    ["another node does not", callerNamed("system:node:n2", "system:nodes").user, want("get secrets mine"), false],
    ["a node lists no Secrets", node, want("list secrets"), false],
    ["a node reads a ConfigMap that its pod names", node, want("get configmaps settings"), true],
    ["a node reads no other ConfigMap", node, want("get configmaps other"), false],
    ["a node writes no Secret", node, want("update secrets mine"), false],
    ["a node makes tokens of its pods' accounts", node, want("create serviceaccounts/token default"), true],
    ["a node makes tokens of no other", node, want("create serviceaccounts/token robot"), false],
    ["a node writes itself", node, want("patch nodes/status n1", { namespace: undefined }), true],
    ["a node writes no other node", node, want("patch nodes/status n2", { namespace: undefined }), false],
    ["a node creates nodes", node, want("create nodes", { namespace: undefined }), true],
    ["a node deletes no node", node, want("delete nodes n1", { namespace: undefined }), false],
    ["a node renews its lease", node, lease("update", "kube-node-lease", "n1"), true],
    ["a node renews no other's lease", node, lease("update", "kube-node-lease", "n2"), false],
    ["a node touches no election", node, lease("update", "kube-system", "n1"), false],
    ["a node grants nothing", node, want(`create rolebindings.${GROUP}`), false],
    ["a node's name needs the nodes' group", callerNamed("system:node:n1").user, want("get pods x"), false],

    ["the scheduler binds", scheduler, want("create pods/binding x"), true],
    ["the scheduler reads no Secrets", scheduler, want("get secrets x"), false],
    ["the scheduler creates no pods", scheduler, want("create pods"), false],
    ["the scheduler stands for its election", scheduler, lease("update", "kube-system", "trireme-scheduler"), true],
    ["the scheduler takes no other", scheduler, lease("update", "kube-system", "trireme-controllers"), false],
    ["the controllers' process reads for all of them", controllers, want("watch widgets.example.com"), true],
    ["the controllers' process tells what they did", controllers, want("create events"), true],
    ["the controllers' process makes no pods", controllers, want("create pods"), false],
    ["the controllers' process deletes nothing", controllers, want("delete pods x"), false],
    ["the controllers' process gets into no pods", controllers, want("create pods/exec x"), false],
    ["the controllers' process makes no roles", controllers, want(`create clusterroles.${GROUP}`), false],
    ["the scheduler evicts nobody", scheduler, want("delete pods x"), false],
    ["the scheduler changes no volumes", scheduler, want("patch persistentvolumes x"), false],
    ["the scheduler marks claims", scheduler, want("patch persistentvolumeclaims x"), true],
    ["the scheduler lists no Secrets", scheduler, want("list secrets"), false],
    ["the DNS reads no pods", dns, want("list pods"), false],
    ["the DNS writes nothing", dns, want("update services x"), false],
    ["the balancer writes nothing", balancer, want("patch nodes x", { namespace: undefined }), false],
    ["the relay writes nothing else", relay, want("create configmaps"), false],
    ["the relay stands for its election", relay, lease("update", "kube-system", "trireme-relay"), true],
    ["the relay reads no pods", relay, want("list pods"), false],
    ["the DNS reads services", dns, want("watch services"), true],
    ["the DNS reads no ConfigMaps", dns, want("list configmaps"), false],
    ["the balancer reads nodes", balancer, want("list nodes", { namespace: undefined }), true],
    ["the balancer reads no pods", balancer, want("list pods"), false],

    ["edit writes pods", ann, want("create pods"), true],
    ["edit reads Secrets", ann, want("get secrets x"), true],
    ["edit reads what view reads", ann, want("get configmaps x"), true],
    ["edit reads logs", ann, want("get pods/log x"), true],
    ["edit writes no status", ann, want("patch pods/status x"), false],
    ["edit grants nothing", ann, want(`create rolebindings.${GROUP}`), false],
    ["edit holds in its namespace", ann, want("create pods", { namespace: "kube-system" }), false],
    ["edit lists not everywhere", ann, want("list pods", { namespace: undefined }), false],
    ["edit reads its namespace", ann, want("get namespaces default"), true],
    ["edit reads no nodes", ann, want("list nodes", { namespace: undefined }), false],
  ])("%s", async (_, user, attributes, allowed) => {
    expect((await fixture.pipeline.decide(user, attributes)).allowed).toBe(allowed);
  });

  it("shows documents to those with an identity, and metrics to those who watch over it", async () => {
    const may = async (user: typeof admin, path: string): Promise<boolean> =>
      (await fixture.pipeline.decidePath(user, "get", path)).allowed;
    expect(await Promise.all(["/livez", "/api"].map((path) => may(ANONYMOUS, path)))).toEqual([true, false]);
    expect(await Promise.all(["/openapi/v3", "/apis/apps/v1", "/metrics"].map((path) => may(nobody, path)))).toEqual([
      true,
      true,
      false,
    ]);
    expect(await may(callerNamed("prometheus", "system:monitoring").user, "/metrics")).toBe(true);
    expect(await may(admin, "/metrics")).toBe(true);
  });

  it("is written into roles that are whole, and reads like Kubernetes'", async () => {
    const role = (await fixture.pipeline.get(ADMIN, { resource: CLUSTERROLES as Resource, name: "edit" }))
      .object as ClusterRole;
    expect(role.metadata.labels).toEqual({
      "kubernetes.io/bootstrapping": "rbac-defaults",
      [`${GROUP}/aggregate-to-admin`]: "true",
    });
    expect(role.aggregationRule).toEqual({
      clusterRoleSelectors: [{ matchLabels: { [`${GROUP}/aggregate-to-edit`]: "true" } }],
    });
    expect(role.rules!.some((rule) => rule.resources?.includes("pods/log"))).toBe(true);
  });

  it("says no in Kubernetes' words", () => {
    expect(forbiddenMessage(nobody, want("patch pods/status x"))).toBe(
      'pods "x" is forbidden: User "mallory" cannot patch resource "pods/status" in API group "" in the namespace "default"',
    );
    expect(forbiddenMessage(nobody, { verb: "list", group: "apps", resource: "deployments" })).toBe(
      'deployments.apps is forbidden: User "mallory" cannot list resource "deployments" in API group "apps" at the cluster scope',
    );
    expect(
      forbiddenMessage(node, want("get secrets x"), "no relationship found between node 'n1' and this object"),
    ).toBe(
      'secrets "x" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the namespace "default": ' +
        "no relationship found between node 'n1' and this object",
    );
  });
});

describe("the graph of what pods name", () => {
  it("follows pods as they come and go", async () => {
    const may = async (name: string): Promise<boolean> =>
      (await fixture.pipeline.decide(node, want(`get secrets ${name}`))).allowed;
    const pod = (name: string): KubeObject =>
      ({
        ...podNamed(name, { nodeName: "n1" }),
        spec: { nodeName: "n1", containers: [{ name: "c", image: "x" }], imagePullSecrets: [{ name: "pull" }] },
      }) as KubeObject;
    expect(await may("pull")).toBe(false);
    await fixture.create(pod("a"));
    await fixture.create(pod("b"));
    expect(await may("pull")).toBe(true);
    const gone = (name: string): Promise<unknown> =>
      fixture.pipeline.delete(
        ADMIN,
        { resource: PODS as Resource, namespace: "default", name },
        { gracePeriodSeconds: 0 },
      );
    await gone("a");
    expect(await may("pull")).toBe(true);
    await gone("b");
    await expect.poll(() => may("pull")).toBe(false);
  });
});

describe("what a node writes", () => {
  const asNode = { user: node };
  const nodes = { apiVersion: "v1", kind: "Node" };
  const own = { resource: { ...PODS } as Resource };

  it("is itself, with its own labels", async () => {
    const create = (metadata: object, more: object = {}): Promise<KubeObject> =>
      fixture.create({ ...nodes, metadata, ...more } as KubeObject, asNode);
    await expect(create({ name: "n2" })).rejects.toThrow(
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    );
    await expect(create({ name: "n1", labels: { "node-restriction.kubernetes.io/zone": "a" } })).rejects.toThrow(
      'nodes "n1" is forbidden: is not allowed to set the following labels: node-restriction.kubernetes.io/zone',
    );
    const status = { addresses: [{ type: "InternalIP", address: "127.0.0.1" }] };
    await expect(create({ name: "n1" }, { status })).rejects.toMatchObject({ code: "Forbidden" });
    await create({ name: "n1", labels: { "kubernetes.io/hostname": "n1" } });
  });

  it("leaves its taints, owners and others' labels alone", async () => {
    const { NODES } = await import("@trireme/api");
    const change = (body: object): Promise<unknown> =>
      fixture.pipeline.patch(asNode, { resource: NODES as Resource, name: "n1" }, { type: "merge", body });
    const taint = { key: "a", effect: "NoSchedule" };
    await expect(change({ spec: { taints: [taint] } })).rejects.toThrow('node "n1" is not allowed to modify taints');
    const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: "u" };
    await expect(change({ metadata: { ownerReferences: [owner] } })).rejects.toThrow("to modify ownerReferences");
    for (const label of ["node-role.kubernetes.io/control-plane", "node-restriction.kubernetes.io/a"]) {
      await expect(change({ metadata: { labels: { [label]: "x" } } })).rejects.toThrow(`modify labels: ${label}`);
    }
    await change({ metadata: { labels: { "example.com/rack": "7", "kubernetes.io/os": "linux" } } });
  });

  it("is its own pods", async () => {
    const target = { ...own, namespace: "default", name: "p2" };
    await expect(fixture.pipeline.delete(asNode, target, {})).rejects.toThrow(
      'pods "p2" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
    );
    const status = { type: "merge", body: { status: { phase: "Running" } } } as const;
    await expect(fixture.pipeline.patch(asNode, { ...target, subresource: "status" }, status)).rejects.toThrow(
      'pods "p2" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
    );
    await fixture.pipeline.patch(asNode, { ...target, name: "p1", subresource: "status" }, status);
  });

  it("is that it gave up a volume of its own, and nothing else of volumes", () => {
    const volume = (finalizers: string[], more: object = {}): KubeObject =>
      ({
        metadata: { name: "v", labels: { "kubernetes.io/hostname": "n1" }, finalizers },
        spec: { local: { path: "/x" }, ...more },
      }) as KubeObject;
    const [ours, theirs] = ["trireme.dev/local-path", "kubernetes.io/pv-protection"];
    const before = volume([theirs, ours]);
    const change =
      (next: KubeObject, user = node) =>
      () =>
        restrictNode(user, PERSISTENTVOLUMES as Resource, next, before);
    expect(change(volume([theirs]))).not.toThrow();
    const message =
      'persistentvolumes "v" is forbidden: node "n1" can only give up its finalizer on a volume of its own';
    expect(change(volume([]))).toThrow(message);
    expect(change(volume([theirs], { claimRef: { name: "mine" } }))).toThrow(message);
    const other = callerNamed("system:node:n2", "system:nodes").user;
    expect(change(volume([theirs]), other)).toThrow('node "n2" can only give up');
    expect(change(volume([]), admin)).not.toThrow();
  });

  it("is its own lease", async () => {
    const create = (name: string): Promise<unknown> =>
      fixture.pipeline.create(
        asNode,
        { resource: LEASES as Resource, namespace: "kube-node-lease" },
        { metadata: { name }, spec: { holderIdentity: name } },
        {},
      );
    await expect(create("n2")).rejects.toThrow("can only access node lease with the same name");
    await create("n1");
  });
});

describe("whoever grants", () => {
  const eve = callerNamed("eve");
  const role = (name: string, ...rules: object[]): KubeObject =>
    ({ apiVersion: `${GROUP}/v1`, kind: "Role", metadata: { name }, rules }) as KubeObject;
  const rule = (verbs: string[], resources: string[], more: object = {}): object => ({
    verbs,
    apiGroups: [""],
    resources,
    ...more,
  });
  const binding = (name: string, to: string, kind = "ClusterRole"): KubeObject =>
    ({
      apiVersion: `${GROUP}/v1`,
      kind: "RoleBinding",
      metadata: { name },
      roleRef: { kind, name: to },
      subjects: [{ kind: "User", name: "eve" }],
    }) as KubeObject;

  beforeAll(async () => {
    await bind("admin-eve", "RoleBinding", { kind: "ClusterRole", name: "admin" }, "eve");
  });

  it("has what they give", async () => {
    await fixture.create(
      role("reader", rule(["get", "list"], ["pods"]), rule(["get"], ["secrets"], { resourceNames: ["x"] })),
      eve,
    );
    await expect(
      fixture.create(role("more", rule(["get", "patch"], ["nodes"]), rule(["list"], ["nodes"])), eve),
    ).rejects.toThrow(
      'roles.rbac.authorization.k8s.io "more" is forbidden: user "eve" (groups=["system:authenticated"]) is attempting to grant ' +
        'RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get" "patch" "list"]}',
    );
    await expect(fixture.create(role("all", rule(["*"], ["pods"])), eve)).rejects.toThrow("not currently held");
  });

  it("binds what they have", async () => {
    await fixture.create(binding("edit-for-me", "edit"), eve);
    await fixture.create(binding("reader-for-me", "reader", "Role"), eve);
    await expect(fixture.create(binding("root", "cluster-admin"), eve)).rejects.toThrow(
      'rolebindings.rbac.authorization.k8s.io "root" is forbidden: user "eve"',
    );
    await expect(fixture.create(binding("unheard", "of"), eve)).rejects.toThrow(
      'clusterroles.rbac.authorization.k8s.io "of" not found',
    );
  });

  it("keeps what a role is not changed in, and the roles it may escalate or bind", async () => {
    await fixture.create(role("nodes", rule(["list"], ["nodes"])));
    const label = { type: "merge", body: { metadata: { labels: { a: "b" } } } } as const;
    const { ROLES } = await import("@trireme/api");
    const at = { resource: ROLES as Resource, namespace: "default", name: "nodes" };
    await fixture.pipeline.patch(eve, at, label);
    const grow = { type: "merge", body: { rules: [rule(["list", "get"], ["nodes"])] } } as const;
    await expect(fixture.pipeline.patch(eve, at, grow)).rejects.toThrow("attempting to grant");
    const special = { verbs: ["escalate", "bind"], apiGroups: [GROUP], resources: ["roles", "clusterroles"] };
    await fixture.create(role("special", special));
    await fixture.create(binding("special-eve", "special", "Role"));
    await fixture.pipeline.patch(eve, at, grow);
    await fixture.create(binding("nodes-for-me", "nodes", "Role"), eve);
  });

  it("gathers roles only as an administrator", async () => {
    const gatherer = {
      apiVersion: `${GROUP}/v1`,
      kind: "ClusterRole",
      metadata: { name: "g" },
      aggregationRule: { clusterRoleSelectors: [{}] },
    };
    await bindEverywhere("maker", [{ verbs: ["*"], apiGroups: [GROUP], resources: ["clusterroles"] }], "max");
    // Its rules hold everything on roles, escalate included: Kubernetes asks no more of it.
    await fixture.create(gatherer as KubeObject, callerNamed("max"));
    await bindEverywhere("creator", [{ verbs: ["create"], apiGroups: [GROUP], resources: ["clusterroles"] }], "moe");
    const other = { ...gatherer, metadata: { name: "h" } } as KubeObject;
    await expect(fixture.create(other, callerNamed("moe"))).rejects.toThrow(
      "must have cluster-admin privileges to use an aggregationRule",
    );
  });
});

async function bindEverywhere(name: string, rules: object[], user: string): Promise<void> {
  await fixture.create({ apiVersion: `${GROUP}/v1`, kind: "ClusterRole", metadata: { name }, rules } as KubeObject);
  await bind(name, "ClusterRoleBinding", { kind: "ClusterRole", name }, user);
}

describe("acting as somebody else", () => {
  it("needs the right to, part by part", async () => {
    const as = (user: string, ...groups: string[]): Promise<unknown> =>
      fixture.pipeline.actAs(callerNamed("ann"), { name: user, groups });
    await expect(as("admin", "system:masters")).rejects.toThrow(
      'users "admin" is forbidden: User "ann" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
    // edit lets one act as the ServiceAccounts of its namespace.
    expect(await as("system:serviceaccount:default:robot")).toMatchObject({
      user: { groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"] },
    });
    await expect(as("system:serviceaccount:kube-system:robot")).rejects.toThrow("cannot impersonate");
    await expect(as("system:serviceaccount:default:robot", "system:masters")).rejects.toThrow(
      'groups "system:masters" is forbidden',
    );
  });
});

describe("reviews", () => {
  const ask = async (caller: typeof ADMIN, resource: unknown, spec: object): Promise<unknown> => {
    const { object } = await fixture.pipeline.create(caller, { resource: resource as Resource }, { spec }, {});
    return (object as KubeObject & { status: unknown }).status;
  };
  const pods = { resourceAttributes: { verb: "create", resource: "pods", namespace: "default" } };

  it("tell oneself", async () => {
    expect(await ask(callerNamed("ann"), SELFSUBJECTACCESSREVIEWS, pods)).toEqual({ allowed: true });
    expect(await ask(callerNamed("mallory"), SELFSUBJECTACCESSREVIEWS, pods)).toEqual({ allowed: false });
    const path = { nonResourceAttributes: { verb: "get", path: "/metrics" } };
    expect(await ask(callerNamed("ann"), SELFSUBJECTACCESSREVIEWS, path)).toEqual({ allowed: false });
    await expect(ask(ADMIN, SELFSUBJECTACCESSREVIEWS, {})).rejects.toMatchObject({ code: "Invalid" });
  });

  it("tell of others those who may ask", async () => {
    const others = { ...pods, user: "ann" };
    expect(await ask(ADMIN, SUBJECTACCESSREVIEWS, others)).toEqual({ allowed: true });
    await expect(ask(callerNamed("ann"), SUBJECTACCESSREVIEWS, others)).rejects.toThrow("cannot create resource");
  });

  it("list what one may", async () => {
    const status = (await ask(callerNamed("ann"), SELFSUBJECTRULESREVIEWS, { namespace: "default" })) as {
      resourceRules: { resources: string[] }[];
      nonResourceRules: { nonResourceURLs: string[] }[];
      incomplete: boolean;
    };
    expect(status.resourceRules.some(({ resources }) => resources.includes("pods/exec"))).toBe(true);
    expect(status.nonResourceRules.some(({ nonResourceURLs }) => nonResourceURLs.includes("/apis"))).toBe(true);
    expect(status.incomplete).toBe(false);
    expect(await ask(ADMIN, SELFSUBJECTRULESREVIEWS, { namespace: "default" })).toMatchObject({
      resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
    });
  });

  it("are asked and nothing else", async () => {
    const list = fixture.pipeline.list(ADMIN, { resource: SELFSUBJECTACCESSREVIEWS as Resource }, {});
    await expect(list).rejects.toMatchObject({ code: "MethodNotAllowed" });
  });
});

describe("a binding", () => {
  it("counts at every server as soon as it is acknowledged at one", async () => {
    const other = await startPipeline(fixture.store);
    for (let i = 0; i < 10; i++) {
      const resource = SECRETS as Resource;
      const user = callerNamed(`user${i}`).user;
      const asked = want("get secrets x");
      expect((await other.pipeline.decide(user, asked)).allowed).toBe(false);
      await bind(`b${i}`, "RoleBinding", { kind: "ClusterRole", name: "edit" }, `user${i}`);
      expect((await other.pipeline.decide(user, asked)).allowed, resource.resource).toBe(true);
    }
    other.cache.stop();
  });

  it("to a role that is not there gives nothing, and is told", async () => {
    await bind("lost", "RoleBinding", { kind: "Role", name: "missing" }, "lou");
    expect(await fixture.pipeline.decide(callerNamed("lou").user, want("get pods x"))).toEqual({
      allowed: false,
      reason: 'RBAC: role.rbac.authorization.k8s.io "missing" not found',
    });
  });
});

describe("default roles of an older cluster", () => {
  it("get what this release adds, keep what their owners added, and stay as they are when told to", async () => {
    const cluster = await startPipeline();
    const write = (resource: unknown, name: string, body: object): Promise<unknown> =>
      cluster.pipeline.patch(ADMIN, { resource: resource as Resource, name }, { type: "merge", body });
    const extra = { verbs: ["get"], apiGroups: ["example.com"], resources: ["widgets"] };
    await write(CLUSTERROLES, "system:trireme-dns", { rules: [extra] });
    const untouched = { [`rbac.authorization.kubernetes.io/autoupdate`]: "false" };
    await write(CLUSTERROLES, "system:basic-user", { rules: [], metadata: { annotations: untouched } });
    await write(CLUSTERROLEBINDINGS, "system:discovery", { subjects: [] });
    const after = await startPipeline(cluster.store);
    const rulesOf = async (name: string): Promise<unknown[]> =>
      ((await after.pipeline.get(ADMIN, { resource: CLUSTERROLES as Resource, name })).object as ClusterRole).rules ??
      [];
    expect(await rulesOf("system:trireme-dns")).toEqual([
      extra,
      expect.anything(),
      expect.anything(),
      expect.anything(),
      expect.anything(),
    ]);
    expect(await rulesOf("system:basic-user")).toEqual([]);
    expect((await after.pipeline.decidePath(ann, "get", "/apis")).allowed).toBe(true);
    const { revision } = after.cache;
    const third = await startPipeline(cluster.store);
    expect(third.cache.revision).toBe(revision);
    for (const one of [after, third]) one.cache.stop();
    await cluster.stop();
  });
});

it("namespaces are asked about in themselves", async () => {
  const target = { resource: NAMESPACES as Resource, name: "default" };
  await fixture.pipeline.get(callerNamed("ann"), target);
  await expect(fixture.pipeline.get(callerNamed("ann"), { ...target, name: "kube-system" })).rejects.toThrow(
    'namespaces "kube-system" is forbidden: User "ann" cannot get resource "namespaces" in API group "" in the namespace "kube-system"',
  );
});
