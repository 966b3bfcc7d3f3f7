/**
 * Goal: the API in gRPC applies a manifest and shows it come up. Method: the generated client with the admin's
 * certificate, against a server's gRPC address.
 */
import { Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import { ManifestServiceClient, type WatchResponse } from "@trireme/proto/trireme/api/v1/manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminCredentials, type Any, ensureCluster, leaveNamespace, status, tryKubectl } from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "grpc";
const MANIFEST = `
apiVersion: v1
kind: Namespace
metadata: { name: ${NS} }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: by-grpc, namespace: ${NS} }
spec:
  replicas: 2
  selector: { matchLabels: { app: by-grpc } }
  template:
    metadata: { labels: { app: by-grpc } }
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: c, image: "trireme.local/hello:1" }] }
`;
const DEPLOYMENTS = { group: "apps", version: "v1", resource: "deployments" };

type Unary = "apply" | "get" | "list" | "scale" | "delete";

/** Calls a unary method and waits for its answer, at most ten seconds. */
function call(client: ManifestServiceClient, method: Unary, request: object): Promise<Any> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 10_000 };
    const done = (error: ServiceError | null, response: unknown): void =>
      error === null ? resolve(response) : reject(error);
    (client as Any)[method](request, new Metadata(), options, done);
  });
}

describe("the API in gRPC", () => {
  let client: ManifestServiceClient;
  beforeAll(async () => {
    await ensureCluster();
    await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
    const { ca, cert, key } = await adminCredentials();
    client = new ManifestServiceClient(
      (await status()).servers[0]!.endpoints.grpc,
      credentials.createSsl(ca, key, cert),
      // TLS knows no addresses as server names; every server's certificate carries this one.
      { "grpc.ssl_target_name_override": "localhost" },
    );
  });
  afterAll(async () => {
    client.close();
    await leaveNamespace(NS);
  });

  const apply = (manifest: string) =>
    call(client, "apply", {
      manifest: Buffer.from(manifest),
      fieldManager: "e2e",
      force: false,
      dryRun: false,
      namespace: "",
    }) as Promise<{ results: { outcome: string; error?: { reason: string; message: string } }[] }>;

  it("applies a manifest, watches it come up, lists, scales and deletes it", async () => {
    const seen: Any[] = [];
    const watch = client.watch({
      resource: DEPLOYMENTS,
      namespace: NS,
      labelSelector: "",
      fieldSelector: "",
      resourceVersion: "",
      allowBookmarks: false,
      readable: false,
    });
    watch.on("data", (event: WatchResponse) => {
      seen.push({ type: event.type, object: JSON.parse(event.json.toString()) });
    });
    const broken: string[] = [];
    watch.on("error", (error: ServiceError) => {
      if (error.details !== "Cancelled on client") broken.push(error.message);
    });
    expect((await apply(MANIFEST)).results.map((result) => result.outcome)).toEqual(["created", "created"]);
    await within(30_000, "the watch shows two available", () => {
      expectThat(seen.at(-1)?.object.status?.availableReplicas === 2, JSON.stringify(seen.at(-1)));
    });
    expect(seen[0].type).toBe("ADDED");
    expect((await apply(MANIFEST)).results.map((result) => result.outcome)).toEqual(["unchanged", "unchanged"]);

    const object = { resource: DEPLOYMENTS, namespace: NS, name: "by-grpc" };
    const got = await call(client, "get", { object, subresource: "", resourceVersion: "" });
    expect(JSON.parse(got.json.toString()).spec.replicas).toBe(2);
    await call(client, "scale", { object, replicas: 1 });
    await within(20_000, "one left", () =>
      expectThat(seen.at(-1)?.object.status?.replicas === 1, JSON.stringify(seen.at(-1)?.object.status)),
    );
    const list = await call(client, "list", {
      resource: DEPLOYMENTS,
      namespace: NS,
      labelSelector: "",
      fieldSelector: "",
      resourceVersion: "",
      limit: 0n,
      continueToken: "",
    });
    expect(list.json).toHaveLength(1);
    await call(client, "delete", {
      object,
      propagationPolicy: "",
      uid: "",
      resourceVersion: "",
      dryRun: false,
    });
    await within(20_000, "the watch shows it gone", () =>
      expectThat(seen.at(-1)?.type === "DELETED", seen.at(-1)?.type),
    );
    watch.cancel();
    expect(broken).toEqual([]);
  });

  it("names an unknown field, and applies nothing of that manifest", async () => {
    const manifest = MANIFEST.replaceAll("by-grpc", "half").replace("replicas: 2", "replica: 2");
    const told = await apply(manifest).then(
      (answer) => answer.results.map((result) => result.error?.message ?? "").join(),
      (error: ServiceError) => error.details,
    );
    expect(told).toContain("spec.replica");
    expect((await tryKubectl(["get", "deployment", "half", "-n", NS])).code).not.toBe(0);
  });
});
