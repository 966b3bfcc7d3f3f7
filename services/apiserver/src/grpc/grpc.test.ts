import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Metadata, type ServiceError, credentials, status } from "@grpc/grpc-js";
import { readKeyPair } from "@trireme/pki";
import {
  ManifestServiceClient,
  type ApplyResponse,
  type BindBatchResponse,
  type DeleteResponse,
  type GetResponse,
  type ListResponse,
  type PatchResponse,
  type ScaleResponse,
  type WatchResponse,
} from "@trireme/proto/trireme/api/v1/manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerFixture, startServer } from "../server-fixture.ts";

const REST = 23_014;

let server: ServerFixture;
const clients: ManifestServiceClient[] = [];
beforeAll(async () => {
  server = await startServer(REST);
});
afterAll(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

function clientOf(as: string): ManifestServiceClient {
  const { cert, key } = readKeyPair(server.dir, as);
  const ca = readFileSync(join(server.dir, "ca.crt"));
  const client = new ManifestServiceClient(
    `127.0.0.1:${REST + 1}`,
    credentials.createSsl(ca, Buffer.from(key), Buffer.from(cert)),
  );
  clients.push(client);
  return client;
}

type Callback<A> = (error: ServiceError | null, answer: A) => void;

function call<A>(run: (callback: Callback<A>) => unknown): Promise<A> {
  return new Promise((resolve, reject) => run((error, answer) => (error === null ? resolve(answer) : reject(error))));
}

const DEPLOYMENTS = { group: "apps", version: "v1", resource: "deployments" };
const PODS = { group: "", version: "v1", resource: "pods" };
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: "x:1" }] }
`;

const apply = (manifest: string, more: { dryRun?: boolean } = {}) =>
  call<ApplyResponse>((done) =>
    clientOf("admin").apply(
      {
        manifest: Buffer.from(manifest),
        fieldManager: "t",
        force: false,
        dryRun: more.dryRun ?? false,
        namespace: "",
        readable: false,
      },
      done,
    ),
  );
const outcomes = ({ results }: ApplyResponse): string[] => results.map((one) => one.outcome);
const web = { resource: DEPLOYMENTS, namespace: "default", name: "web" };

describe("ManifestService", () => {
  it("applies, watches, gets, lists, patches, scales and deletes", async () => {
    const client = clientOf("admin");
    const events: string[] = [];
    const watch = client.watch({
      resource: DEPLOYMENTS,
      namespace: "",
      labelSelector: "",
      fieldSelector: "",
      resourceVersion: "",
      allowBookmarks: false,
      readable: false,
    });
    watch.on("data", ({ type, json }: WatchResponse) => {
      events.push(`${type} ${JSON.parse(json.toString()).spec.replicas}`);
    });
    watch.on("error", () => events.push("end"));
    expect(outcomes(await apply(WEB, { dryRun: true }))).toEqual(["created"]);
    expect(outcomes(await apply(WEB))).toEqual(["created"]);
    expect(outcomes(await apply(WEB))).toEqual(["unchanged"]);
    expect(outcomes(await apply(WEB.replace("replicas: 2", "replicas: 3")))).toEqual(["configured"]);
    const got = await call<GetResponse>((done) =>
      client.get({ object: web, subresource: "", resourceVersion: "", readable: false }, done),
    );
    expect(JSON.parse(got.json.toString())).toMatchObject({ kind: "Deployment", spec: { replicas: 3 } });
    const listed = await call<ListResponse>((done) =>
      client.list(
        {
          resource: DEPLOYMENTS,
          namespace: "default",
          labelSelector: "",
          fieldSelector: "metadata.name=web",
          resourceVersion: "",
          limit: 0n,
          continueToken: "",
          readable: false,
        },
        done,
      ),
    );
    expect(listed.json).toHaveLength(1);
    const patch = Buffer.from(JSON.stringify({ spec: { replicas: 4 } }));
    const patched = await call<PatchResponse>((done) =>
      client.patch(
        {
          object: web,
          subresource: "",
          type: "merge",
          patch,
          fieldManager: "",
          force: false,
          dryRun: false,
          readable: false,
        },
        done,
      ),
    );
    expect(JSON.parse(patched.json.toString()).spec.replicas).toBe(4);
    const scaled = await call<ScaleResponse>((done) =>
      client.scale({ object: web, replicas: 5, currentReplicas: 4 }, done),
    );
    expect(scaled.replicas).toBe(5);
    const stale = call<ScaleResponse>((done) => client.scale({ object: web, replicas: 6, currentReplicas: 4 }, done));
    await expect(stale).rejects.toMatchObject({ code: status.ABORTED });
    const deleted = await call<DeleteResponse>((done) =>
      client.delete(
        { object: web, propagationPolicy: "", uid: "", resourceVersion: "", dryRun: false, readable: false },
        done,
      ),
    );
    expect(deleted.gone).toBe(true);
    await expect.poll(() => events).toEqual(["ADDED 2", "MODIFIED 3", "MODIFIED 4", "MODIFIED 5", "DELETED 5"]);
    watch.cancel();
    await expect.poll(() => events.at(-1)).toBe("end");
  });

  it("writes nothing of a manifest with a mistake, and names it", async () => {
    const good = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: half }\n";
    const told = await apply(`${good}---\n${WEB.replace("replicas: 2", "replica: 2")}`).catch(
      (error: ServiceError) => error,
    );
    expect((told as ServiceError).details).toContain('Deployment "web" (apps/v1, object 2)');
    expect((told as ServiceError).details).toContain("spec.replica");
    const half = { resource: { group: "", version: "v1", resource: "configmaps" }, namespace: "default", name: "half" };
    const missing = call<GetResponse>((done) =>
      clientOf("admin").get({ object: half, subresource: "", resourceVersion: "", readable: false }, done),
    );
    await expect(missing).rejects.toMatchObject({ code: status.NOT_FOUND, details: 'configmaps "half" not found' });
    await expect(apply("a: [")).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it("tells reason and Status of an error in its trailers", async () => {
    const error = (await call<GetResponse>((done) =>
      clientOf("admin").get(
        { object: { ...web, name: "no" }, subresource: "", resourceVersion: "", readable: false },
        done,
      ),
    ).catch((thrown: unknown) => thrown)) as ServiceError;
    expect(error.metadata.get("trireme-reason")).toEqual(["NotFound"]);
    const [bytes] = error.metadata.get("trireme-status-bin");
    expect(JSON.parse(String(bytes))).toMatchObject({ kind: "Status", code: 404, details: { name: "no" } });
  });

  it("binds a batch, fenced", async () => {
    await apply(
      ["a", "b"]
        .map(
          (name) => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c, image: x}]}\n`,
        )
        .join("---\n"),
    );
    const bindings = ["a", "b", "gone"].map((pod) => ({ namespace: "default", pod, podUid: "", node: "node1" }));
    const bind = (metadata: Metadata) =>
      call<BindBatchResponse>((done) => clientOf("scheduler").bindBatch({ bindings }, metadata, done));
    const metadata = new Metadata();
    metadata.set("trireme-fence", "scheduler=3");
    await expect(bind(metadata)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    const { results } = await bind(new Metadata());
    expect(results.map((one) => one.error?.reason ?? "bound")).toEqual(["bound", "bound", "NotFound"]);
  });

  it("lets nobody in who proves nothing, and nobody further than he may", async () => {
    const ca = readFileSync(join(server.dir, "ca.crt"));
    const anonymous = new ManifestServiceClient(`127.0.0.1:${REST + 1}`, credentials.createSsl(ca));
    clients.push(anonymous);
    const list = {
      resource: PODS,
      namespace: "",
      labelSelector: "",
      fieldSelector: "",
      resourceVersion: "",
      limit: 0n,
      continueToken: "",
      readable: false,
    };
    await expect(call<ListResponse>((done) => anonymous.list(list, done))).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining("client certificate of the cluster's CA"),
    });
    await expect(call<ListResponse>((done) => clientOf("stranger").list(list, done))).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining("the client certificate is not valid here"),
    });
    const secrets = { ...list, resource: { group: "", version: "v1", resource: "secrets" } };
    await expect(call<ListResponse>((done) => clientOf("node").list(secrets, done))).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });
});
