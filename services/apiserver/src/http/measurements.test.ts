import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { createMemoryHub, sampleCodec, sampleSubject } from "@trireme/bus";
import { readKeyPair } from "@trireme/pki";
import { afterAll, beforeAll, expect, it } from "vitest";
import { podNamed } from "../fixture.ts";
import { type ServerFixture, startServer } from "../server-fixture.ts";

const REST = 23_060;
const METRICS = "/apis/metrics.k8s.io/v1beta1";
const hub = createMemoryHub();

let server: ServerFixture;
beforeAll(async () => {
  server = await startServer(REST, hub.connect());
});
afterAll(() => server.stop());

interface Answer {
  readonly status: number;
  readonly json: { readonly kind: string; readonly items: readonly unknown[] };
}

function ask(path: string, method = "GET", body?: unknown, as = "admin"): Promise<Answer> {
  const options = {
    host: "127.0.0.1",
    port: REST,
    path,
    method,
    agent: false,
    ca: readFileSync(join(server.dir, "ca.crt")),
    ...readKeyPair(server.dir, as),
    headers: body === undefined ? {} : { "content-type": "application/json" },
  };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(options, (response) => {
      let text = "";
      response.on("data", (piece) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) as Answer["json"] }));
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

it("answers what nodes and pods use, by the word of the pod's own node alone", async () => {
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node1" } };
  expect((await ask("/api/v1/nodes", "POST", node)).status).toBe(201);
  const pods = "/api/v1/namespaces/default/pods";
  for (const [name, on] of [
    ["a", "node1"],
    ["b", "node2"],
    ["c", ""],
  ] as const) {
    const pod = podNamed(name, { labels: { app: name }, ...(on === "" ? {} : { nodeName: on }) });
    expect((await ask(pods, "POST", pod)).status).toBe(201);
  }
  const usage = { cpuMillis: 250, memoryBytes: 3 * 1024 * 1024 };
  const of = { ...usage, windowMs: 6000, containers: { c: usage } };
  const sample = {
    ...{ v: 1 as const, node: "node1", atMs: Date.parse("2026-11-22T12:00:00Z"), windowMs: 6000, ...usage },
    pods: { "default/a": of, "default/b": of, "default/c": of, "default/none": of },
  };
  const agent = hub.connect();
  agent.publish(sampleSubject("node1"), sampleCodec.encode(sample));
  await agent.flush();

  const { status, json } = await ask(`${METRICS}/namespaces/default/pods`);
  expect(status).toBe(200);
  expect(json).toMatchObject({ kind: "PodMetricsList", apiVersion: "metrics.k8s.io/v1beta1" });
  expect(json.items).toMatchObject([
    {
      metadata: { name: "a", namespace: "default", labels: { app: "a" } },
      timestamp: "2026-11-22T12:00:00Z",
      window: "6s",
      containers: [{ name: "c", usage: { cpu: "250m", memory: "3072Ki" } }],
    },
  ]);
  expect((await ask(`${METRICS}/pods?labelSelector=app%3Db`)).json.items).toEqual([]);
  const nodes = await ask(`${METRICS}/nodes`);
  expect(nodes.json.items).toMatchObject([{ metadata: { name: "node1" }, usage: { cpu: "250m" } }]);
  expect((await ask(`${METRICS}/namespaces/default/pods/a`)).json.kind).toBe("PodMetrics");
  expect((await ask(`${METRICS}/namespaces/default/pods/b`)).status).toBe(404);
});

it("can only be read, and not by everybody", async () => {
  expect((await ask(`${METRICS}/namespaces/default/pods`, "POST", {})).status).toBe(405);
  expect((await ask(`${METRICS}/namespaces/default/pods/a`, "DELETE")).status).toBe(405);
  expect((await ask(`${METRICS}/pods?watch=1`)).status).toBe(405);
  expect((await ask(`${METRICS}/pods`, "GET", undefined, "node")).status).toBe(403);
});
