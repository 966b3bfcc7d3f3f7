/**
 * Goal: a user with one namespace's `edit` role can do what Kubernetes' can, and nothing else; nobody gives away what they do
 * not have; a node reaches what its own pods name. Method: a table of requests with their codes, sent with the administrator's
 * certificate in the name of the user; then attacks with a node's own certificate. Kubernetes' sentences are compared.
 */
import { createHmac, createPublicKey } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiRequest, serverIdentity } from "./api-request.ts";
import {
  type Any,
  CLUSTER,
  adminCredentials,
  applyText,
  containerTask,
  ensureCluster,
  getJson,
  kubectl,
  status,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { must } from "./process.ts";

const TEAM = "team62";
const OTHER = "other62";
const USER = "ann62";
const IMAGE = "registry.trireme.test/never-pulled:1";

const core = (namespace: string, rest: string): string => `/api/v1/namespaces/${namespace}/${rest}`;
const apis = (group: string, namespace: string, rest: string): string =>
  `/apis/${group}/namespaces/${namespace}/${rest}`;
const named = (name: string, body: object = {}): object => ({ metadata: { name }, ...body });

const podSpec = {
  containers: [{ name: "c", image: IMAGE }],
  terminationGracePeriodSeconds: 0,
  nodeSelector: { no: "where" },
};
const template = { metadata: { labels: { app: "a" } }, spec: { containers: podSpec.containers } };
const deployment = named("d", { spec: { replicas: 0, selector: { matchLabels: { app: "a" } }, template } });
const selector = { matchLabels: { app: "a" } };
const statefulSet = named("s", { spec: { replicas: 0, serviceName: "s", selector, template } });
const daemonSet = named("ds", {
  spec: { selector, template: { ...template, spec: { ...template.spec, nodeSelector: podSpec.nodeSelector } } },
});
const replicaSet = named("rs", { spec: { replicas: 0, selector, template } });
const jobSpec = { suspend: true, template: { spec: { ...template.spec, restartPolicy: "Never" } } };
const job = named("j", { spec: jobSpec });
const cronJob = named("cj", { spec: { schedule: "0 0 1 1 *", suspend: true, jobTemplate: { spec: jobSpec } } });
const autoscaler = named("h", {
  spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "none" }, maxReplicas: 1 },
});
const budget = named("b", { spec: { maxUnavailable: 1, selector } });
const claim = named("v", { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } } });
const event = {
  metadata: { name: "e" },
  involvedObject: { kind: "Pod", name: "p", namespace: TEAM },
  reason: "R",
  message: "m",
};
const binding = named("mine", {
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: USER }],
});
const asked = { resourceAttributes: { verb: "get", resource: "pods", namespace: TEAM } };
const label = { metadata: { labels: { a: "b" } } };

const RBAC = "rbac.authorization.k8s.io/v1";
const AUTHORIZATION = "/apis/authorization.k8s.io/v1";

/** Method, path, body, and what Kubernetes answers to whoever has `edit` in TEAM. In order: some need what came before. */
const TABLE: readonly (readonly [method: string, path: string, code: number, body?: object])[] = [
  ["POST", core(TEAM, "pods"), 201, named("p", { spec: podSpec })],
  ["GET", core(TEAM, "pods"), 200],
  ["GET", core(TEAM, "pods/p"), 200],
  ["PATCH", core(TEAM, "pods/p"), 200, label],
  ["GET", core(TEAM, "pods/p/status"), 200],
  ["PATCH", core(TEAM, "pods/p/status"), 403, { status: { phase: "Failed" } }],
  ["POST", core(TEAM, "pods/p/binding"), 403, { target: { name: "node1" } }],
  ["GET", core(TEAM, "pods/none/log"), 404],
  ["POST", core(TEAM, "pods/none/eviction"), 404, {}],
  ["DELETE", core(TEAM, "pods/p"), 200],
  ["DELETE", core(TEAM, "pods"), 200],
  ["POST", core(TEAM, "configmaps"), 201, named("c")],
  ["GET", core(TEAM, "configmaps/c"), 200],
  ["PATCH", core(TEAM, "configmaps/c"), 200, label],
  ["DELETE", core(TEAM, "configmaps/c"), 200],
  ["POST", core(TEAM, "secrets"), 201, named("s")],
  ["GET", core(TEAM, "secrets"), 200],
  ["GET", core(TEAM, "secrets/s"), 200],
  ["DELETE", core(TEAM, "secrets/s"), 200],
  ["POST", core(TEAM, "services"), 201, named("svc", { spec: { ports: [{ port: 80 }] } })],
  ["PATCH", core(TEAM, "services/svc/status"), 403, { status: {} }],
  ["DELETE", core(TEAM, "services/svc"), 200],
  ["POST", core(TEAM, "serviceaccounts"), 201, named("robot")],
  ["GET", core(TEAM, "serviceaccounts/robot"), 200],
  ["POST", core(TEAM, "serviceaccounts/robot/token"), 201, {}],
  ["POST", core(TEAM, "persistentvolumeclaims"), 201, claim],
  ["DELETE", core(TEAM, "persistentvolumeclaims/v"), 200],
  ["POST", core(TEAM, "events"), 201, event],
  ["GET", core(TEAM, "events"), 200],
  ["POST", apis("apps/v1", TEAM, "deployments"), 201, deployment],
  ["GET", apis("apps/v1", TEAM, "deployments/d/scale"), 200],
  ["PATCH", apis("apps/v1", TEAM, "deployments/d/scale"), 200, { spec: { replicas: 0 } }],
  ["PATCH", apis("apps/v1", TEAM, "deployments/d/status"), 403, { status: {} }],
  ["DELETE", apis("apps/v1", TEAM, "deployments/d"), 200],
  ["GET", apis("apps/v1", TEAM, "statefulsets"), 200],
  ["GET", apis("apps/v1", TEAM, "daemonsets"), 200],
  ["GET", apis("apps/v1", TEAM, "controllerrevisions"), 200],
  ["POST", apis("apps/v1", TEAM, "controllerrevisions"), 403, named("r", { revision: 1 })],
  ["GET", apis("batch/v1", TEAM, "jobs"), 200],
  ["GET", apis("batch/v1", TEAM, "cronjobs"), 200],
  ["GET", apis("autoscaling/v2", TEAM, "horizontalpodautoscalers"), 200],
  ["GET", apis("metrics.k8s.io/v1beta1", TEAM, "pods"), 200],
  ["GET", apis("discovery.k8s.io/v1", TEAM, "endpointslices"), 200],
  ["DELETE", apis("discovery.k8s.io/v1", TEAM, "endpointslices/x"), 403],
  ["GET", apis("coordination.k8s.io/v1", TEAM, "leases"), 200],
  ["GET", apis(RBAC, TEAM, "roles"), 403],
  ["POST", apis(RBAC, TEAM, "roles"), 403, named("r", { rules: [] })],
  ["POST", apis(RBAC, TEAM, "rolebindings"), 403, binding],
  ["GET", `/api/v1/namespaces/${TEAM}`, 200],
  ["PATCH", `/api/v1/namespaces/${TEAM}`, 403, label],
  ["DELETE", `/api/v1/namespaces/${TEAM}`, 403],
  ["GET", "/api/v1/namespaces", 403],
  ["GET", core(OTHER, "pods"), 403],
  ["GET", core(OTHER, "secrets/s"), 403],
  ["POST", core(OTHER, "pods"), 403, named("p", { spec: podSpec })],
  ["GET", "/api/v1/pods", 403],
  ["GET", "/api/v1/secrets?fieldSelector=metadata.name%3Ds", 403],
  ["GET", "/api/v1/nodes", 403],
  ["GET", "/api/v1/persistentvolumes", 403],
  ["GET", "/apis/storage.k8s.io/v1/storageclasses", 403],
  ["GET", `/apis/${RBAC}/clusterroles`, 403],
  ["POST", `/apis/${RBAC}/clusterrolebindings`, 403, binding],
  ["POST", `${AUTHORIZATION}/selfsubjectaccessreviews`, 201, { spec: asked }],
  ["POST", `${AUTHORIZATION}/selfsubjectrulesreviews`, 201, { spec: { namespace: TEAM } }],
  ["POST", `${AUTHORIZATION}/subjectaccessreviews`, 403, { spec: { ...asked, user: "bob" } }],
  ["POST", `${AUTHORIZATION}/namespaces/${TEAM}/localsubjectaccessreviews`, 403, { spec: { ...asked, user: "bob" } }],
  // What the role's other rules give, kind by kind.
  ["POST", apis("apps/v1", TEAM, "statefulsets"), 201, statefulSet],
  ["PATCH", apis("apps/v1", TEAM, "statefulsets/s/scale"), 200, { spec: { replicas: 0 } }],
  ["PUT", apis("apps/v1", TEAM, "statefulsets/s/status"), 403, statefulSet],
  ["DELETE", apis("apps/v1", TEAM, "statefulsets"), 200],
  ["POST", apis("apps/v1", TEAM, "daemonsets"), 201, daemonSet],
  ["GET", apis("apps/v1", TEAM, "daemonsets/ds/status"), 200],
  ["DELETE", apis("apps/v1", TEAM, "daemonsets/ds"), 200],
  ["POST", apis("apps/v1", TEAM, "replicasets"), 201, replicaSet],
  ["GET", apis("apps/v1", TEAM, "replicasets/rs/scale"), 200],
  ["DELETE", apis("apps/v1", TEAM, "replicasets/rs"), 200],
  ["POST", apis("batch/v1", TEAM, "jobs"), 201, job],
  ["PATCH", apis("batch/v1", TEAM, "jobs/j/status"), 403, { status: {} }],
  ["DELETE", apis("batch/v1", TEAM, "jobs/j"), 200],
  ["POST", apis("batch/v1", TEAM, "cronjobs"), 201, cronJob],
  ["DELETE", apis("batch/v1", TEAM, "cronjobs/cj"), 200],
  ["POST", apis("autoscaling/v2", TEAM, "horizontalpodautoscalers"), 201, autoscaler],
  ["PATCH", apis("autoscaling/v2", TEAM, "horizontalpodautoscalers/h/status"), 403, { status: {} }],
  ["DELETE", apis("autoscaling/v2", TEAM, "horizontalpodautoscalers/h"), 200],
  ["POST", apis("policy/v1", TEAM, "poddisruptionbudgets"), 201, budget],
  ["GET", apis("policy/v1", TEAM, "poddisruptionbudgets/b/status"), 200],
  ["DELETE", apis("policy/v1", TEAM, "poddisruptionbudgets/b"), 200],
  ["POST", apis("coordination.k8s.io/v1", TEAM, "leases"), 201, named("l", { spec: {} })],
  ["DELETE", apis("coordination.k8s.io/v1", TEAM, "leases/l"), 200],
  ["DELETE", core(TEAM, "secrets"), 200],
  ["DELETE", core(TEAM, "serviceaccounts/robot"), 200],
  // Into pods: who may is told that there is no such pod.
  ["GET", core(TEAM, "pods/none/log?container=c"), 404],
  ["POST", core(TEAM, "pods/none/exec?command=id&stdout=1"), 404],
  ["POST", core(TEAM, "pods/none/attach?stdout=1"), 404],
  ["POST", core(TEAM, "pods/none/portforward"), 404],
  ["PATCH", core(TEAM, "pods/none/ephemeralcontainers"), 403, { spec: {} }],
  ["POST", core(OTHER, "pods/none/exec?command=id&stdout=1"), 403],
  ["POST", core(OTHER, "pods/none/eviction"), 403, {}],
  // A refusal comes before what was sent is looked at.
  ["POST", core(TEAM, "configmaps"), 400, []],
  ["POST", core(OTHER, "configmaps"), 403, []],
  // What is its administrators' and the cluster's.
  ["POST", core(OTHER, "serviceaccounts/default/token"), 403, {}],
  ["POST", core("kube-system", "serviceaccounts/default/token"), 403, {}],
  ["GET", core("kube-system", "secrets"), 403],
  [
    "PUT",
    apis("coordination.k8s.io/v1", "kube-system", "leases/trireme-controllers"),
    403,
    named("trireme-controllers"),
  ],
  ["GET", apis(RBAC, TEAM, "rolebindings/edit"), 403],
  ["PATCH", apis(RBAC, TEAM, "rolebindings/edit"), 403, { subjects: [] }],
  ["DELETE", apis(RBAC, TEAM, "rolebindings/edit"), 403],
  ["POST", "/api/v1/namespaces", 403, named("mine62")],
  ["PUT", `/api/v1/namespaces/${TEAM}/finalize`, 403, named(TEAM)],
  ["GET", `/api/v1/namespaces/${TEAM}/status`, 200],
  ["PATCH", "/api/v1/nodes/node1", 403, label],
  ["PATCH", "/api/v1/nodes/node1/status", 403, { status: {} }],
  ["DELETE", "/api/v1/nodes/node1", 403],
  ["POST", "/api/v1/persistentvolumes", 403, named("pv62")],
  ["POST", "/apis/storage.k8s.io/v1/storageclasses", 403, named("sc62")],
  ["POST", `/apis/${RBAC}/clusterroles`, 403, named("cr62", { rules: [] })],
  ["DELETE", `/apis/${RBAC}/clusterroles/edit`, 403],
  ["POST", "/apis/authentication.k8s.io/v1/tokenreviews", 403, { spec: { token: "x" } }],
  ["POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", 201, {}],
  ["GET", "/apis/metrics.k8s.io/v1beta1/nodes", 403],
  ["GET", "/apis", 200],
  ["GET", "/openapi/v3", 200],
  ["GET", "/metrics", 403],
];

type Answer = { status: number; body: Any };
let admin: Awaited<ReturnType<typeof adminCredentials>>;

function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  const { server, ...identity } = admin;
  const patch: Record<string, string> = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
  return apiRequest(server, identity, { method, path, headers: { ...patch, ...headers }, body });
}

const as = (user: string) => ({ "impersonate-user": user });

beforeAll(async () => {
  await ensureCluster();
  admin = await adminCredentials();
  await Promise.all([TEAM, OTHER].map((namespace) => kubectl("create", "namespace", namespace)));
  await kubectl("create", "rolebinding", "edit", "-n", TEAM, "--clusterrole=edit", `--user=${USER}`);
});
afterAll(async () => {
  await kubectl("delete", "namespace", TEAM, OTHER, "--wait=false");
});

describe("a user with one namespace's edit role", () => {
  it(`is answered ${TABLE.length} requests as Kubernetes would`, async () => {
    const told: string[] = [];
    for (const [method, path, , body] of TABLE) {
      const { status } = await ask(method, path, body, as(USER));
      told.push(`${method} ${path} ${status}`);
    }
    expect(told).toEqual(TABLE.map(([method, path, code]) => `${method} ${path} ${code}`));
  });

  it("acts as its namespace's accounts, as Kubernetes' role lets it, and as nobody else", async () => {
    await kubectl("create", "serviceaccount", "editor", "-n", TEAM);
    await kubectl(
      "create",
      "rolebinding",
      "editor",
      "-n",
      TEAM,
      "--clusterrole=edit",
      `--serviceaccount=${TEAM}:editor`,
    );
    const token = (await kubectl("create", "token", "editor", "-n", TEAM)).trim();
    const acting = async (headers: Record<string, string>): Promise<number> => {
      const request = {
        method: "GET",
        path: core(TEAM, "pods"),
        headers: { authorization: `Bearer ${token}`, ...headers },
      };
      return (await apiRequest(admin.server, { ca: admin.ca }, request)).status;
    };
    const account = (namespace: string, name = "default") => as(`system:serviceaccount:${namespace}:${name}`);
    expect(await acting({})).toBe(200);
    // The account is acted as, and may not list; the refusal of the acting itself names another resource.
    expect(await acting(account(TEAM, "editor"))).toBe(200);
    expect(await acting(account(TEAM))).toBe(403);
    const others = [
      account(OTHER, "editor"),
      account("kube-system", "deployment-controller"),
      as("admin"),
      as("system:kube-controller-manager"),
      as("system:node:node1"),
      { ...account(TEAM, "editor"), "impersonate-group": "system:masters" },
      { ...account(TEAM, "editor"), "impersonate-uid": "0" },
    ];
    for (const other of others) expect([other, await acting(other)]).toEqual([other, 403]);
  });

  it("is told so by kubectl auth", async () => {
    const canI = async (...args: string[]): Promise<string> =>
      (await tryKubectl(["auth", "can-i", "--as", USER, "-n", TEAM, ...args])).stdout.trim();
    expect(await canI("create", "deployments.apps")).toBe("yes");
    expect(await canI("get", "pods", "--subresource=log")).toBe("yes");
    expect(await canI("create", "rolebindings.rbac.authorization.k8s.io")).toBe("no");
    const all = await canI("--list");
    expect(all).toMatch(/pods\/exec\s+\[\]\s+\[\]\s+\[.*create/);
    expect(all).toMatch(/selfsubjectaccessreviews\.authorization\.k8s\.io\s+\[\]\s+\[\]\s+\[create\]/);
    const who = await kubectl("auth", "whoami", "--as", USER, "-o", "json");
    expect(JSON.parse(who).status.userInfo).toEqual({ username: USER, groups: ["system:authenticated"] });
  });

  it("gives nobody more than they have, whatever they may write (A34)", async () => {
    await kubectl("create", "rolebinding", "admin", "-n", OTHER, "--clusterrole=admin", `--user=${USER}`);
    const roles = apis(RBAC, OTHER, "roles");
    const own = [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }];
    expect((await ask("POST", roles, named("own", { rules: own }), as(USER))).status).toBe(201);
    const more = await ask("POST", roles, named("more", { rules: [{ ...own[0], resources: ["nodes"] }] }), as(USER));
    expect([more.status, more.body.message]).toEqual([
      403,
      `roles.rbac.authorization.k8s.io "more" is forbidden: user "${USER}" (groups=["system:authenticated"]) is attempting to ` +
        'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}',
    ]);
    const bound = await ask("POST", apis(RBAC, OTHER, "rolebindings"), binding, as(USER));
    expect([bound.status, bound.body.message]).toEqual([403, expect.stringContaining("not currently held")]);
    const masters = await ask("GET", core(TEAM, "pods"), undefined, {
      ...as("admin"),
      "impersonate-group": "system:masters",
    });
    expect(masters.status).toBe(200);
    // Who acts as somebody may not act as anybody through them: the header is the administrator's own here.
    const nodes = { verb: "impersonate", resource: "groups", name: "system:masters" };
    const review = await ask(
      "POST",
      `${AUTHORIZATION}/selfsubjectaccessreviews`,
      { spec: { resourceAttributes: nodes } },
      as(USER),
    );
    expect(review.body.status).toEqual({ allowed: false });
  });

  it("is followed by aggregated roles and default ones that were spoiled", async () => {
    await kubectl("create", "clusterrole", "widgets62", "--verb=get", "--resource=pods", "--resource-name=never");
    await kubectl("label", "clusterrole", "widgets62", "rbac.authorization.k8s.io/aggregate-to-view=true");
    const has = async (role: string): Promise<boolean> =>
      JSON.stringify(JSON.parse(await kubectl("get", "clusterrole", role, "-o", "json")).rules).includes('"never"');
    await expect
      .poll(() => Promise.all(["view", "edit", "admin"].map(has)), { timeout: 10_000 })
      .toEqual([true, true, true]);
    await kubectl("delete", "clusterrole", "widgets62");
    await expect.poll(() => has("admin"), { timeout: 10_000 }).toBe(false);
  });

  it("has bindings that are reconciled, and stay with their role", async () => {
    const manifest = {
      apiVersion: RBAC,
      kind: "RoleBinding",
      metadata: { name: "edit", namespace: TEAM },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: USER }],
    };
    const applied = await tryKubectl(["apply", "-f", "-"], { input: JSON.stringify(manifest) });
    expect(applied.stderr).toContain("cannot change roleRef");
    const reconciled = await tryKubectl(["auth", "reconcile", "-f", "-"], { input: JSON.stringify(manifest) });
    expect(reconciled.stdout).toContain("rolebinding.rbac.authorization.k8s.io/edit reconciled");
    expect(await kubectl("get", "rolebinding", "edit", "-n", TEAM, "-o", "wide")).toMatch(
      new RegExp(`NAME +ROLE +AGE +USERS +GROUPS +SERVICEACCOUNTS\\s+edit +ClusterRole/view +\\S+ +${USER}`),
    );
  });
});

describe("a ServiceAccount's token", () => {
  const SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount";
  const reviewed = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const bearing = (token: string, method: string, path: string): Promise<Answer> =>
    apiRequest(
      admin.server,
      { ca: admin.ca },
      { method, path, headers: { authorization: `Bearer ${token}` }, body: {} },
    );
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

  beforeAll(async () => {
    await kubectl("create", "serviceaccount", "reader", "-n", OTHER);
    await kubectl("create", "role", "reader", "-n", OTHER, "--verb=get,list", "--resource=pods");
    await kubectl("create", "rolebinding", "reader", "-n", OTHER, "--role=reader", `--serviceaccount=${OTHER}:reader`);
    await applyText(
      JSON.stringify({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "inside", namespace: OTHER },
        spec: {
          serviceAccountName: "reader",
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "c", image: "trireme.local/hello:1" }],
        },
      }),
    );
    await kubectl("wait", "-n", OTHER, "--for=condition=Ready", "pod/inside", "--timeout=60s");
  });

  it("is in every pod, with which it lists pods by the API's own name", async () => {
    const pod = await getJson("pod", "inside", "-n", OTHER);
    const { pid } = await containerTask(pod);
    // The pod's network and files, and a client that checks the name in the certificate.
    const script = `
      const { readFileSync } = require("node:fs");
      const read = (file) => readFileSync("/proc/${pid}/root${SECRETS}/" + file, "utf8");
      const options = { host: "10.96.0.1", servername: "kubernetes.default.svc", ca: read("ca.crt"),
        path: "/api/v1/namespaces/" + read("namespace") + process.argv[1], agent: false,
        headers: { host: "kubernetes.default.svc", authorization: "Bearer " + read("token") } };
      require("node:https").get(options, (answer) => {
        answer.setEncoding("utf8");
        let text = "";
        answer.on("data", (chunk) => (text += chunk));
        answer.on("end", () => console.log(answer.statusCode, (JSON.parse(text).items ?? []).map((one) => one.metadata.name).join()));
      });`;
    const ask = (rest: string): Promise<string> =>
      must("nsenter", [`--net=/proc/${pid}/ns/net`, process.execPath, "-e", script, rest]);
    expect(await ask("/pods")).toMatch(/^200 .*inside/);
    expect(await ask("/secrets")).toMatch(/^403 /);
    const token = await must("cat", [`/proc/${pid}/root${SECRETS}/token`]);
    expect((await bearing(token, "POST", reviewed)).body.status.userInfo).toMatchObject({
      username: `system:serviceaccount:${OTHER}:reader`,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${OTHER}`, "system:authenticated"],
      extra: { "authentication.kubernetes.io/pod-name": ["inside"] },
    });
    await kubectl("delete", "pod", "inside", "-n", OTHER, "--force", "--grace-period=0");
    await expect.poll(async () => (await bearing(token, "POST", reviewed)).status, { timeout: 10_000 }).toBe(401);
  });

  it("is known by its signature and audience alone (A6)", async () => {
    const good = (await kubectl("create", "token", "reader", "-n", OTHER)).trim();
    expect((await bearing(good, "POST", reviewed)).status).toBe(201);
    const vault = (await kubectl("create", "token", "reader", "-n", OTHER, "--audience=vault")).trim();
    const [head, body, mark] = good.split(".") as [string, string, string];
    const { keys } = (await ask("GET", "/openid/v1/jwks")).body;
    const publicKey = createPublicKey({ key: keys[0], format: "jwk" }).export({ type: "spki", format: "pem" });
    const [none, hs256] = ["none", "HS256"].map((alg) => part({ alg, kid: keys[0].kid, typ: "JWT" }));
    const mac = createHmac("sha256", publicKey).update(`${hs256}.${body}`).digest("base64url");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
    const forged = [
      vault,
      `${none}.${body}.`,
      `${hs256}.${body}.${mac}`,
      `${head}.${part({ ...claims, sub: "system:serviceaccount:kube-system:default" })}.${mark}`,
      "nonsense",
    ];
    for (const token of forged) {
      const { status, body: told } = await bearing(token, "POST", reviewed);
      expect([status, told.message, told.reason]).toEqual([401, "Unauthorized", "Unauthorized"]);
    }
    await kubectl("delete", "serviceaccount", "reader", "-n", OTHER);
    await expect.poll(async () => (await bearing(good, "POST", reviewed)).status, { timeout: 10_000 }).toBe(401);
  });

  it("counts on when the key that signed it is replaced, at every server", async () => {
    const old = (await kubectl("create", "token", "default", "-n", OTHER)).trim();
    const kid = (token: string): string => JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()).kid;
    expect(await triOk("certs", "rotate", "sa-key")).toMatch(/made a new key: tokens are signed with key/);
    const fresh = (await kubectl("create", "token", "default", "-n", OTHER)).trim();
    expect(kid(fresh)).not.toBe(kid(old));
    for (const { endpoints } of (await status()).servers) {
      for (const token of [old, fresh]) {
        const request = { method: "POST", path: reviewed, headers: { authorization: `Bearer ${token}` }, body: {} };
        expect((await apiRequest(endpoints.https, { ca: admin.ca }, request)).status).toBe(201);
      }
      const { keys } = (await apiRequest(endpoints.https, admin, { method: "GET", path: "/openid/v1/jwks" })).body;
      expect(keys.map((key: Any) => key.kid)).toEqual(expect.arrayContaining([kid(old), kid(fresh)]));
      const ring = { method: "GET", path: "/trireme/v1/token-keys/ring" };
      expect((await apiRequest(endpoints.https, admin, ring)).status).toBe(403);
    }
    const rotated = await ask("POST", "/trireme/v1/token-keys/rotate", {}, as(USER));
    expect(rotated.status).toBe(403);
  });

  it("is given to those who may have it (A34)", async () => {
    const token = (namespace: string): Promise<Answer> =>
      ask("POST", core(namespace, "serviceaccounts/default/token"), {}, as(USER));
    // An administrator of one namespace and by now a mere viewer of the other.
    const codes = await Promise.all(
      [OTHER, TEAM, "kube-system"].map(async (namespace) => (await token(namespace)).status),
    );
    expect(codes).toEqual([201, 403, 403]);
  });
});

describe("a stolen node certificate", () => {
  const node = (name: string, method: string, path: string, body?: object): Promise<Answer> => {
    const identity = serverIdentity(CLUSTER, name, "node");
    const headers: Record<string, string> =
      method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
    return apiRequest(admin.server, identity, { method, path, body, headers });
  };

  beforeAll(async () => {
    const { server: _, ...rest } = admin;
    expect(rest.cert.length).toBeGreaterThan(0);
    await kubectl("create", "secret", "generic", "hush", "-n", OTHER, "--from-literal=a=b");
    await kubectl("create", "secret", "generic", "others", "-n", OTHER, "--from-literal=a=b");
    const volumes = [{ name: "v", secret: { secretName: "hush" } }];
    for (const [name, on] of [
      ["p1", "node1"],
      ["p2", "node2"],
    ] as const) {
      const spec = { containers: [{ name: "c", image: IMAGE }], nodeName: on, terminationGracePeriodSeconds: 0 };
      const created = await ask(
        "POST",
        core(OTHER, "pods"),
        named(name, { spec: name === "p1" ? { ...spec, volumes } : spec }),
      );
      expect(created.status).toBe(201);
    }
  });

  it("reads what its own pods name, and lists nothing (A20)", async () => {
    expect((await node("node1", "GET", core(OTHER, "secrets/hush"))).status).toBe(200);
    const other = await node("node2", "GET", core(OTHER, "secrets/hush"));
    expect([other.status, other.body.message]).toEqual([
      403,
      `secrets "hush" is forbidden: User "system:node:node2" cannot get resource "secrets" in API group "" in the namespace ` +
        `"${OTHER}": no relationship found between node 'node2' and this object`,
    ]);
    for (const path of [
      core(OTHER, "secrets/others"),
      core(OTHER, "secrets"),
      "/api/v1/secrets",
      "/api/v1/configmaps",
    ]) {
      expect([path, (await node("node1", "GET", path)).status]).toEqual([path, 403]);
    }
  });

  it("changes neither others nor what its administrators say of it (A21, A22, A24)", async () => {
    const owners = [{ apiVersion: "v1", kind: "Node", name: "node1", uid: "u" }];
    const attacks: readonly (readonly [method: string, path: string, body?: object])[] = [
      ["PATCH", "/api/v1/nodes/node1", { metadata: { labels: { "node-restriction.kubernetes.io/secure": "true" } } }],
      ["PATCH", "/api/v1/nodes/node1", { metadata: { labels: { "node-role.kubernetes.io/control-plane": "" } } }],
      ["PATCH", "/api/v1/nodes/node1", { metadata: { ownerReferences: owners } }],
      ["PATCH", "/api/v1/nodes/node1", { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }],
      [
        "PATCH",
        "/api/v1/nodes/node1/status",
        { status: { addresses: [{ type: "InternalIP", address: "127.0.0.1" }] } },
      ],
      ["PATCH", "/api/v1/nodes/node2", label],
      ["PATCH", "/api/v1/nodes/node2/status", { status: {} }],
      ["DELETE", "/api/v1/nodes/node2"],
      ["PATCH", core(OTHER, "pods/p2/status"), { status: { phase: "Failed" } }],
      ["DELETE", core(OTHER, "pods/p2")],
      ["PATCH", core(OTHER, "pods/p1"), label],
      ["POST", core(OTHER, "pods"), named("mirror", { spec: { ...podSpec, nodeName: "node1" } })],
      ["PUT", apis("coordination.k8s.io/v1", "kube-node-lease", "leases/node2"), named("node2", { spec: {} })],
      ["POST", apis(RBAC, OTHER, "rolebindings"), binding],
      ["GET", "/api/v1/pods"],
    ];
    const told: string[] = [];
    for (const [method, path, body] of attacks) {
      told.push(`${method} ${path} ${(await node("node1", method, path, body)).status}`);
    }
    expect(told).toEqual(attacks.map(([method, path]) => `${method} ${path} 403`));
    // There is no API that signs certificates: what a node is was decided when it joined.
    expect((await node("node1", "POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", {})).status).toBe(
      404,
    );
  });

  it("still does its work", async () => {
    const ready = await kubectl(
      "get",
      "node",
      "node1",
      "-o",
      "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
    );
    expect(ready).toBe("True");
    const label1 = await node("node1", "PATCH", "/api/v1/nodes/node1", {
      metadata: { labels: { "example.com/rack": "7" } },
    });
    expect(label1.status).toBe(200);
    await kubectl("label", "node", "node1", "example.com/rack-");
  });
});
