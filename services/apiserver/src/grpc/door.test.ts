import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Metadata, type ServiceError, credentials, status } from "@grpc/grpc-js";
import { readKeyPair } from "@trireme/pki";
import { BadRequest, ErrorInfo, ResourceInfo } from "@trireme/proto/google/rpc/error_details";
import { Status } from "@trireme/proto/google/rpc/status";
import { HealthClient, HealthCheckResponse_ServingStatus as Serving } from "@trireme/proto/grpc/health/v1/health";
import { ServerReflectionClient as ReflectionV1 } from "@trireme/proto/grpc/reflection/v1/reflection";
import { ServerReflectionClient as ReflectionV1Alpha } from "@trireme/proto/grpc/reflection/v1alpha/reflection";
import { PROTO_FILES } from "@trireme/proto/descriptors";
import {
  ApplyRequest,
  GetRequest,
  ListRequest,
  LogsRequest,
  ManifestServiceClient,
  PatchRequest,
  ScaleRequest,
  WatchRequest,
} from "@trireme/proto/trireme/api/v1/manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerFixture, startServer } from "../server-fixture.ts";

const REST = 23_052;
const ADDRESS = `127.0.0.1:${REST + 1}`;
const CONFIGMAPS = { group: "", version: "v1", resource: "configmaps" };

let server: ServerFixture;
let ca: Buffer;
const closers: (() => void)[] = [];
beforeAll(async () => {
  server = await startServer(REST);
  ca = readFileSync(join(server.dir, "ca.crt"));
});
afterAll(async () => {
  for (const close of closers) close();
  await server.stop();
});

/** Credentials of a file pair, or of nobody. */
function secure(as?: string) {
  if (as === undefined) return credentials.createSsl(ca);
  const { cert, key } = readKeyPair(server.dir, as);
  return credentials.createSsl(ca, Buffer.from(key), Buffer.from(cert));
}

function clientOf(as?: string): ManifestServiceClient {
  const client = new ManifestServiceClient(ADDRESS, secure(as));
  closers.push(() => client.close());
  return client;
}

type Callback<A> = (error: ServiceError | null, answer: A) => void;

function call<A>(run: (callback: Callback<A>) => unknown): Promise<A> {
  return new Promise((resolve, reject) => run((error, answer) => (error === null ? resolve(answer) : reject(error))));
}

const failure = (work: Promise<unknown>): Promise<ServiceError> =>
  work.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error as ServiceError,
  );

function metadataOf(values: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

function get(client: ManifestServiceClient, name: string, metadata: Metadata = new Metadata(), namespace = "default") {
  const request = GetRequest.fromPartial({ object: { resource: CONFIGMAPS, namespace, name } });
  return call<{ json: Buffer }>((done) => client.get(request, metadata, done));
}

function apply(manifest: string, options: { deadline?: number } = {}) {
  const request = ApplyRequest.fromPartial({ manifest: Buffer.from(manifest) });
  return call<{ results: { outcome: string }[] }>((done) =>
    clientOf("admin").apply(request, new Metadata(), options, done),
  );
}

/** The token of a ServiceAccount, asked for by REST. */
async function tokenOf(namespace: string, name: string): Promise<string> {
  const body = JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} });
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body.length };
    const { cert, key } = readKeyPair(server.dir, "admin");
    const request = httpsRequest({ host: "127.0.0.1", port: REST, path, method: "POST", headers, ca, cert, key });
    request.on("response", (response) => resolve(text(response)));
    request.on("error", reject);
    request.end(body);
  });
  return (JSON.parse(answer) as { status: { token: string } }).status.token;
}

describe("who calls", () => {
  beforeAll(async () => {
    const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: robots }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: reader, namespace: robots }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: seen, namespace: robots }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: reads, namespace: robots }
subjects: [{ kind: ServiceAccount, name: reader, namespace: robots }]
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
`;
    const { results } = await apply(manifest);
    expect(results.map((one) => one.outcome)).toEqual(["created", "created", "created", "created"]);
  });

  it("takes a ServiceAccount's token, and lets it do what its roles allow", async () => {
    const metadata = metadataOf({ authorization: `Bearer ${await tokenOf("robots", "reader")}` });
    await expect(get(clientOf(), "seen", metadata, "robots")).resolves.toBeDefined();
    const elsewhere = await failure(get(clientOf(), "seen", metadata));
    expect(elsewhere.code).toBe(status.PERMISSION_DENIED);
    expect(elsewhere.details).toContain('User "system:serviceaccount:robots:reader" cannot get resource "configmaps"');
  });

  it("refuses a token that proves nothing, and who brings nothing", async () => {
    for (const values of [{}, { authorization: "Bearer no.such.token" }, { authorization: "Basic YTpi" }]) {
      expect((await failure(get(clientOf(), "seen", metadataOf(values)))).code).toBe(status.UNAUTHENTICATED);
    }
  });

  it("lets those act as others who may, and nobody else", async () => {
    const asReader = metadataOf({ "impersonate-user": "system:serviceaccount:robots:reader" });
    await expect(get(clientOf("admin"), "seen", asReader, "robots")).resolves.toBeDefined();
    expect((await failure(get(clientOf("admin"), "seen", asReader))).code).toBe(status.PERMISSION_DENIED);
    const refused = await failure(get(clientOf("scheduler"), "seen", asReader, "robots"));
    expect(refused.code).toBe(status.PERMISSION_DENIED);
    expect(refused.details).toContain('cannot impersonate resource "serviceaccounts"');
    const groupAlone = await failure(get(clientOf("admin"), "seen", metadataOf({ "impersonate-group": "g" })));
    expect(groupAlone.code).toBe(status.INVALID_ARGUMENT);
  });
});

describe("errors", () => {
  function detailsOf(error: ServiceError) {
    const whole = Status.decode(error.metadata.get("grpc-status-details-bin")[0] as Buffer);
    const find = (name: string) => whole.details.find((one) => one.typeUrl.endsWith(`/google.rpc.${name}`))?.value;
    return { whole, find };
  }

  it("say what, about which object, as google.rpc's details", async () => {
    const error = await failure(get(clientOf("admin"), "nothing"));
    expect(error).toMatchObject({ code: status.NOT_FOUND, details: 'configmaps "nothing" not found' });
    const { whole, find } = detailsOf(error);
    expect(whole).toMatchObject({ code: status.NOT_FOUND, message: 'configmaps "nothing" not found' });
    expect(ErrorInfo.decode(find("ErrorInfo")!)).toMatchObject({ reason: "NotFound", domain: "trireme.dev" });
    expect(ResourceInfo.decode(find("ResourceInfo")!)).toMatchObject({
      resourceType: "configmaps",
      resourceName: "nothing",
    });
    expect(find("BadRequest")).toBeUndefined();
  });

  it("name the fields that are wrong", async () => {
    await apply("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: patched }\n");
    const patch = Buffer.from(JSON.stringify({ metadata: { labels: { "a b": "c d" } } }));
    const object = { resource: CONFIGMAPS, namespace: "default", name: "patched" };
    const request = PatchRequest.fromPartial({ object, type: "merge", patch });
    const error = await failure(call((done) => clientOf("admin").patch(request, done)));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    const violations = BadRequest.decode(detailsOf(error).find("BadRequest")!).fieldViolations;
    expect(violations.map((one) => one.field)).toContain("metadata.labels");
  });

  it("end streams too", async () => {
    const watched = WatchRequest.fromPartial({ resource: { group: "", version: "v1", resource: "secrets" } });
    const streams = [
      [clientOf("node").watch(watched), status.PERMISSION_DENIED],
      [clientOf("admin").watch({ ...watched, resourceVersion: "x" }), status.INVALID_ARGUMENT],
      [clientOf("admin").logs(LogsRequest.fromPartial({ namespace: "default", pod: "none" })), status.NOT_FOUND],
    ] as const;
    for (const [stream, code] of streams) {
      stream.resume();
      const error = await new Promise<ServiceError>((resolve) => stream.on("error", resolve));
      expect(error.code).toBe(code);
      expect(detailsOf(error).find("ErrorInfo")).toBeDefined();
    }
  });

  it("fit into trailers, however much is wrong", async () => {
    const labels = Array.from({ length: 500 }, (_, i) => [`bad key ${i} ${"x".repeat(60)}`, "ä".repeat(64)]);
    const manifest = { metadata: { labels: Object.fromEntries(labels) } };
    const object = { resource: CONFIGMAPS, namespace: "default", name: "patched" };
    const request = PatchRequest.fromPartial({ object, type: "merge", patch: Buffer.from(JSON.stringify(manifest)) });
    const error = await failure(call((done) => clientOf("admin").patch(request, done)));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.metadata.get("trireme-reason")).toEqual(["Invalid"]);
    expect(error.details.length).toBeLessThanOrEqual(1024);
  });

  it("survive text that is half a character", async () => {
    const error = await failure(get(clientOf("admin"), "half-\ud800"));
    expect([status.NOT_FOUND, status.INVALID_ARGUMENT]).toContain(error.code);
    await expect(get(clientOf("admin"), "patched")).resolves.toBeDefined();
  });
});

describe("deadlines", () => {
  it("end a watch with DEADLINE_EXCEEDED", async () => {
    const request = WatchRequest.fromPartial({ resource: CONFIGMAPS, namespace: "default" });
    const watch = clientOf("admin").watch(request, new Metadata(), { deadline: Date.now() + 500 });
    watch.resume();
    const error = await new Promise<ServiceError>((resolve) => watch.on("error", resolve));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  });

  it("keep what comes too late from being done", async () => {
    const name = "too-late";
    const manifest = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\n`;
    // Told by the wire alone: the client itself would give up before it sends anything.
    const metadata = metadataOf({ "grpc-timeout": "1n" });
    const request = ApplyRequest.fromPartial({ manifest: Buffer.from(manifest) });
    const error = await failure(call((done) => clientOf("admin").apply(request, metadata, done)));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect((await failure(get(clientOf("admin"), name))).code).toBe(status.NOT_FOUND);
  });
});

describe("readable answers", () => {
  it("hold objects as values", async () => {
    await apply("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: shown }\ndata: { a: b }\n");
    const request = ListRequest.fromPartial({
      resource: CONFIGMAPS,
      namespace: "default",
      fieldSelector: "metadata.name=shown",
      readable: true,
    });
    const listed = await call<{ json: Buffer[]; objects: unknown[] }>((done) => clientOf("admin").list(request, done));
    expect(listed.json).toEqual([]);
    expect(listed.objects).toMatchObject([{ kind: "ConfigMap", data: { a: "b" } }]);
  });
});

describe("health", () => {
  it("tells of the server and of each service, to anybody, and follows", async () => {
    const client = new HealthClient(ADDRESS, secure());
    closers.push(() => client.close());
    for (const service of ["", "trireme.api.v1.ManifestService"]) {
      const answer = await call<{ status: number }>((done) => client.check({ service }, done));
      expect(answer.status).toBe(Serving.SERVING);
    }
    const unknown = await failure(call((done) => client.check({ service: "no.Such" }, done)));
    expect(unknown.code).toBe(status.NOT_FOUND);
    for (const [service, expected] of [
      ["", Serving.SERVING],
      ["no.Such", Serving.SERVICE_UNKNOWN],
    ] as const) {
      const watch = client.watch({ service });
      watch.on("error", () => undefined);
      const first = await new Promise<{ status: number }>((resolve) => watch.once("data", resolve));
      expect(first.status).toBe(expected);
      watch.cancel();
    }
  });
});

describe("reflection", () => {
  /** Asks as grpcurl does: one stream, a question at a time. */
  async function ask(client: ReflectionV1 | ReflectionV1Alpha, ...questions: [string, string][]): Promise<unknown[]> {
    closers.push(() => client.close());
    const stream = client.serverReflectionInfo();
    const answers: unknown[] = [];
    for (const [$case, value] of questions) {
      stream.write({ host: "", messageRequest: { $case, value } } as never);
      answers.push(
        await new Promise((resolve, reject) => {
          stream.once("data", (data: { messageResponse: unknown }) => resolve(data.messageResponse));
          stream.once("error", reject);
        }),
      );
    }
    const ended = new Promise<{ code: number }>((resolve) => stream.on("status", resolve));
    stream.end();
    expect((await ended).code).toBe(status.OK);
    return answers;
  }

  const base64Of = (name: string): string => PROTO_FILES.find((file) => file.name === name)!.base64;
  const files = (answer: unknown): string[] =>
    (answer as { value: { fileDescriptorProto: Buffer[] } }).value.fileDescriptorProto.map((one) =>
      one.toString("base64"),
    );

  it.each([
    ["v1", () => new ReflectionV1(ADDRESS, secure("admin"))],
    ["v1alpha", () => new ReflectionV1Alpha(ADDRESS, secure("admin"))],
  ])("answers what grpcurl asks, in %s", async (_version, client) => {
    const [services, bySymbol, byMethod, byName, missing] = await ask(
      client(),
      ["listServices", "*"],
      ["fileContainingSymbol", "trireme.api.v1.ManifestService"],
      ["fileContainingSymbol", "trireme.api.v1.ManifestService.Apply"],
      ["fileByFilename", "google/protobuf/struct.proto"],
      ["fileContainingSymbol", "no.Such"],
    );
    expect((services as { value: { service: { name: string }[] } }).value.service.map((one) => one.name)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "trireme.api.v1.ManifestService",
    ]);
    const expected = [base64Of("trireme/api/v1/manifest.proto"), base64Of("google/protobuf/struct.proto")];
    // With all that it imports, so that the schema is whole after one question.
    expect(files(bySymbol)).toEqual(expected);
    expect(files(byMethod)).toEqual(expected);
    expect(files(byName)).toEqual([base64Of("google/protobuf/struct.proto")]);
    expect(missing).toMatchObject({ $case: "errorResponse", value: { errorCode: status.NOT_FOUND } });
  });

  it("finds the types of error details, and tells strangers nothing", async () => {
    const [details] = await ask(new ReflectionV1(ADDRESS, secure("admin")), [
      "fileContainingSymbol",
      "google.rpc.BadRequest.FieldViolation",
    ]);
    expect(files(details)).toContain(base64Of("google/protobuf/duration.proto"));
    const stranger = new ReflectionV1(ADDRESS, secure());
    expect((await failure(ask(stranger, ["listServices", "*"]))).code).toBe(status.UNAUTHENTICATED);
  });
});

describe("scale", () => {
  it("names what a request leaves out", async () => {
    const error = await failure(
      call((done) => clientOf("admin").scale(ScaleRequest.fromPartial({ replicas: 1 }), done)),
    );
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: "object.name: Required value" });
  });
});
