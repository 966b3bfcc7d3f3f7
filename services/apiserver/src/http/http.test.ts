import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { type RequestOptions, request as httpsRequest } from "node:https";
import { join } from "node:path";
import { readKeyPair } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podNamed } from "../fixture.ts";
import { type ServerFixture, startServer } from "../server-fixture.ts";

const REST = 23_010;

let server: ServerFixture;
let dir: string;
beforeAll(async () => {
  server = await startServer(REST);
  dir = server.dir;
});
afterAll(() => server.stop());

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  readonly json: { readonly [key: string]: unknown };
}

interface Ask {
  readonly as?: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly port?: number;
}

function ask(
  path: string,
  { as = "admin", method = "GET", body, headers = {}, port = REST }: Ask = {},
): Promise<Answer> {
  const identity = as === "" ? {} : readKeyPair(dir, as);
  const payload = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const type = payload === undefined ? {} : { "content-type": "application/json" };
  const options: RequestOptions = {
    host: "127.0.0.1",
    port,
    path,
    method,
    agent: false,
    ca: readFileSync(join(dir, "ca.crt")),
    ...identity,
    headers: { ...type, ...headers },
  };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const json = text.startsWith("{") ? JSON.parse(text) : {};
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    request.on("error", reject);
    request.end(payload);
  });
}

describe("who may enter", () => {
  it("shows health to anybody, and nothing else", async () => {
    expect((await ask("/livez", { as: "" })).text).toBe("ok");
    expect((await ask("/readyz", { as: "" })).status).toBe(200);
    for (const path of ["/api", "/version", "/metrics", "/api/v1/pods"]) {
      expect((await ask(path, { as: "" })).json).toMatchObject({ code: 401, reason: "Unauthorized" });
    }
  });

  it("refuses another CA's certificate everywhere, health included", async () => {
    const { json } = await ask("/livez", { as: "stranger" });
    expect(json).toMatchObject({ code: 401 });
    expect(json["message"]).toContain("the client certificate is not valid here");
    // Metrics' own port says it in words, and to those as well whom no role lets in.
    for (const [as, status] of [
      ["stranger", 401],
      ["", 401],
      ["scheduler", 403],
      ["admin", 200],
    ] as const) {
      expect((await ask("/metrics", { as, port: REST + 2 })).status, as).toBe(status);
    }
  });

  it("names user, verb, resource and namespace of what it forbids", async () => {
    const { json } = await ask("/api/v1/namespaces/default/secrets", { as: "node" });
    expect(json).toMatchObject({
      code: 403,
      message:
        'secrets is forbidden: User "system:node:node1" cannot list resource "secrets" in API group "" in the namespace "default": No Object name found',
    });
    const other = { apiVersion: "v1", kind: "Node", metadata: { name: "node2" } };
    expect((await ask("/api/v1/nodes", { as: "node", method: "POST", body: other })).status).toBe(403);
    const own = { apiVersion: "v1", kind: "Node", metadata: { name: "node1" } };
    expect((await ask("/api/v1/nodes", { as: "node", method: "POST", body: own })).status).toBe(201);
  });
});

describe("who one is and what one may do", () => {
  const review = (group: string, resource: string, body: unknown, more: Partial<Ask> = {}) =>
    ask(`/apis/${group}/v1/${resource}`, { method: "POST", body, ...more });
  const mayI = async (spec: unknown, more: Partial<Ask> = {}) =>
    (await review("authorization.k8s.io", "selfsubjectaccessreviews", { spec }, more)).json["status"];
  const pods = (verb: string) => ({ resourceAttributes: { verb, resource: "pods", namespace: "default" } });

  it("is told to everybody of themselves", async () => {
    const { status, json } = await review("authentication.k8s.io", "selfsubjectreviews", {}, { as: "node" });
    expect(status).toBe(201);
    expect(json["status"]).toEqual({
      userInfo: { username: "system:node:node1", groups: ["system:nodes", "system:authenticated"] },
    });
    expect(await mayI(pods("get"), { as: "node" })).toEqual({ allowed: true });
    expect(await mayI(pods("create"), { as: "node" })).toEqual({ allowed: false });
    expect(await mayI(pods("create"))).toEqual({ allowed: true });
    const metrics = { nonResourceAttributes: { verb: "get", path: "/metrics" } };
    expect(await mayI(metrics, { as: "node" })).toEqual({ allowed: false });
    expect(await mayI(metrics)).toEqual({ allowed: true });
    expect((await review("authorization.k8s.io", "selfsubjectaccessreviews", { spec: {} })).json).toMatchObject({
      code: 422,
      reason: "Invalid",
    });
    expect((await ask("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")).status).toBe(405);
  });

  it("is listed by namespace", async () => {
    const rules = async (namespace: string) =>
      (await review("authorization.k8s.io", "selfsubjectrulesreviews", { spec: { namespace } }, { as: "node" })).json[
        "status"
      ] as { resourceRules: unknown[]; nonResourceRules: unknown[]; incomplete: boolean };
    const { resourceRules, nonResourceRules, incomplete } = await rules("default");
    const reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    expect(resourceRules).toContainEqual({
      verbs: ["create"],
      apiGroups: ["authorization.k8s.io"],
      resources: reviews,
    });
    expect(nonResourceRules).toContainEqual({
      verbs: ["get"],
      nonResourceURLs: expect.arrayContaining(["/openapi/*"]) as unknown,
    });
    // What a node may is more than its roles: much depends on what its pods name.
    expect(incomplete).toBe(true);
  });

  it("changes with --as for those who may act as others, and for nobody else", async () => {
    const jane = { "impersonate-user": "jane" };
    expect(await mayI(pods("get"), { headers: jane })).toEqual({ allowed: false });
    const { json } = await ask("/api/v1/namespaces/default/pods", { headers: jane });
    expect(json).toMatchObject({ code: 403, message: expect.stringContaining('User "jane" cannot list') });
    const nodes = { "impersonate-user": "system:node:node1", "impersonate-group": "system:nodes" };
    expect(await mayI(pods("get"), { headers: nodes })).toEqual({ allowed: true });
    expect((await ask("/api/v1/pods", { as: "node", headers: { "impersonate-user": "admin" } })).json).toMatchObject({
      code: 403,
      message: expect.stringContaining('User "system:node:node1" cannot impersonate resource "users"'),
    });
    expect((await ask("/api/v1/pods", { headers: { "impersonate-group": "x" } })).status).toBe(400);
  });
});

describe("metrics", () => {
  it("count requests by verb, resource and code, and objects by resource", async () => {
    await ask("/api/v1/namespaces/default/pods/none");
    const { text } = await ask("/metrics", { port: REST + 2 });
    expect(text).toMatch(/apiserver_request_total\{verb="GET",.*resource="pods",.*code="404".*\} [1-9]/);
    expect(text).toMatch(/apiserver_storage_objects\{resource="namespaces"\} 4/);
    expect(text).toMatch(/apiserver_request_duration_seconds_bucket\{le="1",.*resource="pods"/);
    expect(text).toMatch(/apiserver_request_sli_duration_seconds_bucket\{le="1",.*resource="pods"/);
    expect(text).toMatch(/apiserver_client_certificate_expiration_seconds_count [1-9]/);
    expect(text).toContain('apiserver_current_inflight_requests{request_kind="mutating"} 0');
    expect((await ask("/metrics/slis", { port: REST + 2 })).text).toContain('{name="store",type="readyz"} 1');
  });
});

describe("another version of a kind", () => {
  const v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
  const v2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
  const spec = { scaleTargetRef: { kind: "Deployment", name: "web", apiVersion: "apps/v1" }, maxReplicas: 4 };

  it("is written, read, listed and patched as itself, and stored once", async () => {
    const body = { metadata: { name: "web" }, spec: { ...spec, targetCPUUtilizationPercentage: 60 } };
    const made = await ask(v1, { method: "POST", body });
    expect(made).toMatchObject({ status: 201, json: { apiVersion: "autoscaling/v1" } });
    const stored = await ask(`${v2}/web`);
    expect(stored.json).toMatchObject({
      apiVersion: "autoscaling/v2",
      spec: { metrics: [{ resource: { name: "cpu", target: { averageUtilization: 60 } } }] },
    });
    const list = (await ask(v1)).json as { apiVersion?: string; items?: unknown[] };
    expect(list).toMatchObject({ apiVersion: "autoscaling/v1", kind: "HorizontalPodAutoscalerList" });
    expect(list.items).toMatchObject([{ apiVersion: "autoscaling/v1", spec: { targetCPUUtilizationPercentage: 60 } }]);
    const patch = (type: string, change: unknown) =>
      ask(`${v1}/web`, { method: "PATCH", body: change, headers: { "content-type": `application/${type}` } });
    const merged = await patch("merge-patch+json", { spec: { targetCPUUtilizationPercentage: 30 } });
    expect(merged.json).toMatchObject({ apiVersion: "autoscaling/v1", spec: { targetCPUUtilizationPercentage: 30 } });
    const replaced = await patch("json-patch+json", [{ op: "replace", path: "/spec/maxReplicas", value: 9 }]);
    expect(replaced.json).toMatchObject({ spec: { maxReplicas: 9, targetCPUUtilizationPercentage: 30 } });
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const table = await ask(`${v1}/web?includeObject=Object`, { headers: { accept } });
    expect(table.json["rows"]).toMatchObject([
      { cells: ["web", "Deployment/web", "cpu: <unknown>/30%", "1", 9, 0, expect.any(String)] },
    ]);
    expect(table.json["rows"]).toMatchObject([{ object: { apiVersion: "autoscaling/v1" } }]);
  });

  it("is refused where the other one is asked for", async () => {
    const body = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata: { name: "x" }, spec };
    const { json } = await ask(v1, { method: "POST", body });
    expect(json).toMatchObject({ code: 400, message: expect.stringContaining('"autoscaling/v1"') });
  });

  it("is watched as itself", async () => {
    const { text } = await ask(`${v1}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true`);
    const events = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { object: { apiVersion: string } });
    expect(events.length).toBeGreaterThan(0);
    for (const { object } of events) expect(object.apiVersion).toBe("autoscaling/v1");
  });
});

describe("documents", () => {
  it("serves the aggregated discovery under its exact media type", async () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    const { headers, json } = await ask("/apis", { headers: { accept } });
    expect(headers["content-type"]).toBe("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    const items = json["items"] as { metadata: { name: string } }[];
    expect(items.map((item) => item.metadata.name)).toContain("apps");
    expect((await ask("/apis/apps/v1")).json).toMatchObject({ kind: "APIResourceList" });
    expect((await ask("/version")).json).toMatchObject({ major: "1", minor: "35" });
    expect((await ask("/openapi/v3")).json["paths"]).toHaveProperty("apis/apps/v1");
  });

  it("has an OpenAPI v2 that says nothing, so that kubectl can tell an unknown kind from a broken server", async () => {
    expect((await ask("/openapi/v2")).json).toMatchObject({ swagger: "2.0", paths: {} });
    const accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    // Field 1 of three bytes, "2.0", opens the document.
    expect((await ask("/openapi/v2", { headers: { accept } })).text.slice(0, 5)).toBe("\n\u00032.0");
  });

  it("answers 404 to what is not there", async () => {
    for (const path of ["/apis/nope/v1", "/api/v1/nopes", "/nope", "/api/v1/namespaces/default/nodes/a"]) {
      expect((await ask(path)).json).toMatchObject({ kind: "Status", code: 404, reason: "NotFound" });
    }
  });
});

describe("objects", () => {
  const pods = "/api/v1/namespaces/default/pods";

  it("are created, read as JSON, Table and metadata, and deleted", async () => {
    expect((await ask(pods, { method: "POST", body: podNamed("a") })).status).toBe(201);
    const list = await ask(pods);
    expect(list.json).toMatchObject({ kind: "PodList", apiVersion: "v1", items: [{ metadata: { name: "a" } }] });
    const table = await ask(pods, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" },
    });
    expect(table.json).toMatchObject({ kind: "Table", rows: [{ object: { kind: "PartialObjectMetadata" } }] });
    const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    expect((await ask(`${pods}/a`, { headers: { accept } })).json).toMatchObject({ kind: "PartialObjectMetadata" });
    expect((await ask(`${pods}/a`, { headers: { accept: "text/html" } })).status).toBe(406);
    expect((await ask(`${pods}/a`, { method: "DELETE" })).json).toMatchObject({ metadata: { name: "a" } });
    expect((await ask(`${pods}/a`)).json).toMatchObject({ code: 404, message: 'pods "a" not found' });
  });

  it("are refused by the name of what is wrong with them", async () => {
    const typo = { ...podNamed("b"), spec: { containers: [{ name: "c", imagee: "x" }] } };
    const strict = await ask(`${pods}?fieldValidation=Strict`, { method: "POST", body: typo });
    expect(strict.json).toMatchObject({ code: 400 });
    expect(strict.json["message"]).toContain("spec.containers[0].imagee");
    const broken = await ask(pods, { method: "POST", body: Buffer.from("{") });
    expect(broken.json["message"]).toContain("the body is not valid JSON");
    const media = await ask(pods, { method: "POST", body: {}, headers: { "content-type": "text/html" } });
    expect(media.status).toBe(415);
    expect((await ask(`${pods}/x`, { method: "POST", body: {} })).status).toBe(405);
    const dry = await ask(`${pods}?dryRun=Some`, { method: "POST", body: podNamed("b") });
    expect(dry.json["message"]).toContain("dryRun");
  });

  it("warn of unknown fields when asked to", async () => {
    const typo = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "warned" }, dta: {} };
    const path = "/api/v1/namespaces/default/configmaps?fieldValidation=Warn";
    const { status, headers } = await ask(path, { method: "POST", body: typo });
    expect([status, headers["warning"]]).toEqual([201, expect.stringContaining('299 - "unknown field \\"dta\\"')]);
  });

  it("of more than 3 MiB are refused by the limit's name, however they come", async () => {
    const body = Buffer.alloc(3 * 1024 * 1024 + 1, "x");
    const declared = await ask(pods, { method: "POST", body, headers: { "content-length": String(body.length) } });
    expect(declared.json).toMatchObject({ code: 413, reason: "RequestEntityTooLarge" });
    expect(declared.json["message"]).toContain("limit is 3145728");
    const chunked = await ask(pods, { method: "POST", body, headers: { "transfer-encoding": "chunked" } });
    expect(chunked.status).toBe(413);
  });
});

describe("watches", () => {
  let session: ClientHttp2Session;
  beforeAll(() => {
    session = connect(`https://127.0.0.1:${REST}`, {
      ca: readFileSync(join(dir, "ca.crt")),
      ...readKeyPair(dir, "admin"),
    });
  });
  afterAll(() => session.close());

  it("answer their headers before the first event, then line by line", async () => {
    const path = "/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dw";
    const stream = session.request({ ":path": path });
    const status = await new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
    expect(status).toBe(200);
    const line = new Promise<string>((resolve) => stream.once("data", (chunk: Buffer) => resolve(chunk.toString())));
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "w" } };
    await ask("/api/v1/namespaces/default/configmaps", { method: "POST", body });
    expect(JSON.parse(await line)).toMatchObject({ type: "ADDED", object: { metadata: { name: "w" } } });
    stream.close();
  });

  it("end when their time is over", async () => {
    const stream = session.request({ ":path": "/api/v1/pods?watch=true&timeoutSeconds=1" });
    stream.resume();
    await new Promise((resolve) => stream.on("end", resolve));
    expect(stream.rstCode).toBe(0);
  });

  it("say that their version is too old", async () => {
    const { json } = await ask("/api/v1/pods?watch=true&resourceVersion=x");
    expect(json).toMatchObject({ code: 400 });
    const initial = await ask("/api/v1/pods?watch=true&sendInitialEvents=true");
    expect(initial.json["message"]).toContain("resourceVersionMatch");
  });
});
