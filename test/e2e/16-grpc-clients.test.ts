/**
 * Goal: who follows deploy/examples/grpc-client/README.md gets what it promises, and the gRPC door refuses what REST
 * refuses. Method: the page's own lines, typed by bash in their order; then the typed client as several users.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { CONFIGMAPS, DEPLOYMENTS, PODS, type Resource, SECRETS } from "@trireme/api";
import { type GrpcClient, type GrpcClientOptions, StatusError, createGrpcClient } from "@trireme/grpc-client";
import {
  type AttachResponse,
  ManifestServiceClient,
  type PortForwardResponse,
} from "@trireme/proto/trireme/api/v1/manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CLUSTER,
  ROOT,
  adminCredentials,
  ensureCluster,
  kubectl,
  kubectlPath,
  status,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { run } from "./process.ts";

const PAGE = readFileSync(join(ROOT, "deploy/examples/grpc-client/README.md"), "utf8");

/** The blocks of one mark, in their order. */
function blocks(mark: string): string[] {
  return [...PAGE.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter((one) => one[1] === mark).map((one) => one[2]!);
}

const isCalm = (text: string): string => text.replaceAll("\\\n", " ").replaceAll(/\s+/g, " ");

/** Every call of a text: its method and its message, as they are typed. */
function callsOf(text: string): string[] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  return lines.flatMap((line) => {
    const method = /trireme\.api\.v1\.ManifestService\/\w+/.exec(line)?.[0];
    const message = /-d ('.*')\s/.exec(line)?.[1];
    return method === undefined || message === undefined ? [] : [`${method} ${isCalm(message)}`];
  });
}

const NAMESPACES = ["shop", "grpc-a", "grpc-b"];
const remove = () => tryKubectl(["delete", "namespace", ...NAMESPACES, "--ignore-not-found", "--timeout=60s"]);

/** Who amy is: somebody with the role `edit` in the namespace grpc-a. */
const AMY = `
apiVersion: v1
kind: Namespace
metadata: { name: grpc-a }
---
apiVersion: v1
kind: Namespace
metadata: { name: grpc-b }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: amy-edits, namespace: grpc-a }
subjects:
  - { kind: User, name: amy, apiGroup: rbac.authorization.k8s.io }
  - { kind: ServiceAccount, name: default, namespace: grpc-a }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit }
`;
const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\n`;

const clients: GrpcClient[] = [];
function connect(options: GrpcClientOptions): GrpcClient {
  const client = createGrpcClient(options);
  clients.push(client);
  return client;
}

let servers: readonly string[];
let admin: GrpcClient;
let amy: GrpcClient;
let tls: { ca: Buffer; cert: Buffer; key: Buffer };

beforeAll(async () => {
  await ensureCluster();
  await remove();
  const { ca, cert, key } = await adminCredentials();
  tls = { ca, cert, key };
  // The leader last, so that what is frozen below is not what everything else waits for.
  const known = [...(await status()).servers].toSorted((a, b) => Number(a.leader) - Number(b.leader));
  servers = known.map((one) => one.endpoints.grpc);
  admin = connect({ servers, ...tls });
  amy = connect({ servers, ...tls, impersonate: { user: "amy" } });
  const applied = await admin.apply(AMY);
  expect(applied.map((one) => one.outcome)).toEqual(["created", "created", "created"]);
});
afterAll(async () => {
  for (const client of clients) client.close();
  // They end by themselves; what is in them holds nobody up.
  await tryKubectl(["delete", "namespace", ...NAMESPACES, "--ignore-not-found", "--wait=false"]);
});

const failure = (work: Promise<unknown>): Promise<StatusError> =>
  work.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => {
      if (error instanceof StatusError) return error;
      throw error;
    },
  );

describe("the example's page", () => {
  it("does what it says, line by line", async () => {
    // kubectl and node as the page expects them: on the path.
    const bin = mkdtempSync(join(tmpdir(), "trireme-grpc-"));
    symlinkSync(await kubectlPath(), join(bin, "kubectl"));
    const script = blocks("sh")
      .map((block, i) => `echo "== block ${i + 1}"\n${block}`)
      .join("");
    // The page means the default cluster; the campaign's has a name of its own.
    const env = { TRIREME_CLUSTER: CLUSTER, PATH: `${bin}:${dirname(process.execPath)}:${process.env["PATH"]}` };
    const done = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: ROOT, timeoutMs: 110_000, env });
    rmSync(bin, { recursive: true });
    const said = done.stdout.split(/^== block \d+\n/m).slice(1);
    expect(done.code, `${done.stdout}\n${done.stderr}`).toBe(0);
    const [, , program, byToken, lists, applied, watched, log, ran, scaled, , tokens, health] = said;
    for (const line of [
      "deployments.apps/web created",
      "services/web created",
      "web: 1 of 1 available",
      "scaled to 3",
      "web: 3 of 3 available",
    ]) {
      expect(program!.split("\n")).toContain(line);
    }
    expect(program).toMatch(/^log of (web-\S+): hello: version 1 on \1 listens on 8080$/m);
    expect(byToken).toContain("deployments.apps/web unchanged");
    expect(byToken).toContain("web: 3 of 3 available");
    expect(lists).toContain("trireme.api.v1.ManifestService\n");
    for (const method of [
      "Apply",
      "Get",
      "List",
      "Watch",
      "Patch",
      "Delete",
      "Scale",
      "Logs",
      "Exec",
      "Attach",
      "PortForward",
    ]) {
      expect(lists).toContain(`trireme.api.v1.ManifestService/${method}\n`);
    }
    expect(JSON.parse(applied!)).toMatchObject({
      results: [
        { object: { name: "web" }, applied: { kind: "Deployment" } },
        { object: { name: "web" }, applied: { kind: "Service" } },
      ],
    });
    expect(watched).toContain('"type": "ADDED"');
    expect(done.stderr).toContain('"code": "deadline_exceeded"');
    expect(log).toMatch(/"text": "hello: version 1 on web-\S+ listens on 8080\\n"/);
    expect(scaled).toContain('"replicas": 1');
    expect(ran).toMatch(/"exit": \{\s+"code": 7/);
    expect(done.stderr).toContain('deployments.apps \\"wbe\\" not found');
    expect(done.stderr).toContain('"type": "google.rpc.ResourceInfo"');
    expect(tokens).toContain('"replicas": 2');
    expect(done.stderr).toContain('User \\"system:serviceaccount:shop:deployer\\" cannot list resource');
    expect(health).toContain('"status": "SERVING"');
  });

  it("types the same calls for grpcurl as for buf", () => {
    const tested = new Set(blocks("sh").flatMap(callsOf));
    const untested = blocks("console").flatMap(callsOf);
    expect(untested.length).toBeGreaterThanOrEqual(5);
    for (const call of untested) expect([...tested]).toContain(call);
  });
});

describe("who calls by gRPC", () => {
  it("does in his namespace what his role allows, and nothing elsewhere", async () => {
    const inA = await amy.apply(configMap("mine"), { namespace: "grpc-a" });
    expect(inA.map((one) => one.outcome)).toEqual(["created"]);
    expect((await amy.resource(CONFIGMAPS, "grpc-a").get("mine")).metadata.name).toBe("mine");
    const inB = await amy.apply(configMap("mine"), { namespace: "grpc-b" });
    expect(inB.map((one) => [one.outcome, one.error?.code])).toEqual([["failed", "Forbidden"]]);
    const b = (resource: Resource) => amy.resource(resource, "grpc-b");
    const refused: (() => Promise<unknown>)[] = [
      () => b(CONFIGMAPS as Resource).get("mine"),
      () => b(PODS as Resource).list(),
      () =>
        b(SECRETS as Resource)
          .watch({ resourceVersion: "0" })
          .next(),
      () => b(DEPLOYMENTS as Resource).scale("web", 3),
      () => b(CONFIGMAPS as Resource).patch("mine", { type: "merge", patch: {} }),
      () => b(CONFIGMAPS as Resource).delete("mine"),
      () => amy.logs({ namespace: "grpc-b", pod: "web" }).next(),
      () => amy.resource(PODS).list(),
      () =>
        amy
          .apply("apiVersion: v1\nkind: Namespace\nmetadata: { name: grpc-c }\n")
          .then(([one]) => Promise.reject(one!.error)),
    ];
    for (const work of refused) expect((await failure(work())).code).toBe("Forbidden");
  });

  it("acts as somebody else only with the right to", async () => {
    const token = (await kubectl("create", "token", "default", "-n", "grpc-a")).trim();
    const account = connect({ servers, ca: tls.ca, token });
    expect((await account.resource(CONFIGMAPS, "grpc-a").get("mine")).metadata.name).toBe("mine");
    const asAmy = connect({ servers, ca: tls.ca, token, impersonate: { user: "amy" } });
    const refused = await failure(asAmy.resource(CONFIGMAPS, "grpc-a").get("mine"));
    expect(refused).toMatchObject({ code: "Forbidden", grpcCode: 7, answered: true });
    expect(refused.message).toContain('cannot impersonate resource "users"');
    const asMaster = connect({ servers, ca: tls.ca, token, impersonate: { user: "x", groups: ["system:masters"] } });
    expect((await failure(asMaster.resource(CONFIGMAPS, "grpc-a").get("mine"))).code).toBe("Forbidden");
  });
});

describe("streams into a pod by gRPC", () => {
  let pod: string;
  beforeAll(async () => {
    const { items } = await admin.resource(PODS, "default").list({ labelSelector: "app=hello" });
    pod = items.find((one) => one.status?.phase === "Running")!.metadata.name!;
  });

  /** Runs a command as somebody; its exit code and what it wrote. */
  async function run(client: GrpcClient, command: string[], stdin?: string[]) {
    const wrote = { stdout: "", stderr: "" };
    const code = await client.exec({
      namespace: "default",
      pod,
      command,
      timeoutMs: 20_000,
      ...(stdin === undefined ? {} : { stdin }),
      stdout: (data) => (wrote.stdout += data.toString()),
      stderr: (data) => (wrote.stderr += data.toString()),
    });
    return { code, ...wrote };
  }

  it("runs commands: output, exit codes, input to its end, and who may not", async () => {
    expect(await run(admin, ["hostname"])).toEqual({ code: 0, stdout: `${pod}\n`, stderr: "" });
    expect(await run(admin, ["sh", "-c", "echo no >&2; exit 7"])).toEqual({ code: 7, stdout: "", stderr: "no\n" });
    const long = "x".repeat(300_000);
    expect(await run(admin, ["wc", "-c"], [long, long, "end"])).toMatchObject({ code: 0, stdout: "600003\n" });
    const echoed = await run(admin, ["cat"], [long]);
    expect(echoed.stdout.length).toBe(long.length);
    expect((await failure(run(amy, ["hostname"]))).code).toBe("Forbidden");
    const absent = admin.exec({ namespace: "default", pod: "none", command: ["true"], timeoutMs: 10_000 });
    expect((await failure(absent)).code).toBe("NotFound");
    const timed = admin.exec({ namespace: "default", pod, command: ["sleep", "60"], timeoutMs: 1000 });
    expect((await failure(timed)).code).toBe("Timeout");
  });

  it("forwards a port, and attaches", async () => {
    const { ca, cert, key } = tls;
    const secure = credentials.createSsl(ca, key, cert);
    const client = new ManifestServiceClient(servers[0]!, secure, { "grpc.ssl_target_name_override": "localhost" });
    const deadline = Date.now() + 20_000;
    const forwarded = client.portForward({ deadline });
    forwarded.write({ message: { $case: "open", value: { namespace: "default", pod, port: 8080 } } });
    const request = "GET / HTTP/1.0\r\n\r\n";
    forwarded.write({ message: { $case: "data", value: Buffer.from(request) } });
    let page = "";
    for await (const { message } of forwarded as AsyncIterable<PortForwardResponse>) {
      if (message?.$case === "data") page += message.value.toString();
    }
    expect(page).toContain("200 OK");
    expect(page).toContain(pod);
    const nobody = client.portForward({ deadline });
    nobody.write({ message: { $case: "open", value: { namespace: "default", pod, port: 9 } } });
    const refused = await (async () => {
      for await (const _ of nobody as AsyncIterable<PortForwardResponse>);
    })().catch((thrown: unknown) => thrown as Error);
    expect(String(refused)).toMatch(/refused|the container runtime said/);
    const attached = client.attach({ deadline });
    const place = { namespace: "default", pod, container: "", stdin: false, tty: false };
    attached.write({ message: { $case: "open", value: place } });
    const first = await new Promise<AttachResponse>((resolve, reject) =>
      attached.once("data", resolve).once("error", reject),
    );
    expect(first.message?.$case).toBe("opened");
    attached.on("error", () => undefined);
    attached.cancel();
    client.close();
  });
});

describe("errors by gRPC", () => {
  it("say what, about what, and in which field", async () => {
    const maps = admin.resource(CONFIGMAPS, "grpc-a");
    await admin.apply(configMap("labelled"), { namespace: "grpc-a" });
    const nobody = connect({ servers, ca: tls.ca, token: "no.such.token" }).resource(CONFIGMAPS, "grpc-a");
    const table: [string, () => Promise<unknown>, object][] = [
      [
        "a name that there is not",
        () => maps.get("none"),
        { code: "NotFound", grpcCode: 5, resource: { type: "configmaps", name: "none" } },
      ],
      ["a token that proves nothing", () => nobody.get("mine"), { code: "Unauthorized", grpcCode: 16 }],
      [
        "a field that is wrong",
        () => maps.patch("labelled", { type: "merge", patch: { metadata: { labels: { "a b": "" } } } }),
        {
          code: "Invalid",
          grpcCode: 3,
          fields: [{ field: "metadata.labels", message: expect.stringContaining("a b") }],
        },
      ],
      [
        "a typo in a manifest",
        () => admin.apply(configMap("x").replace("kind", "kindd")),
        { code: "BadRequest", grpcCode: 3 },
      ],
      [
        "a patch of no type",
        () => maps.patch("labelled", { type: "some" as "json", patch: {} }),
        { code: "BadRequest", grpcCode: 3 },
      ],
      [
        "a scale that believed wrongly",
        () => admin.resource(DEPLOYMENTS, "default").scale("hello", 3, { current: 77 }),
        { code: "Conflict", grpcCode: 10 },
      ],
      [
        "a deadline that has passed",
        () => maps.watch({ resourceVersion: "0", fieldSelector: "metadata.name=none", timeoutMs: 300 }).next(),
        { code: "Timeout", grpcCode: 4 },
      ],
    ];
    for (const [what, work, expected] of table) expect(await failure(work()), what).toMatchObject(expected);
  });
});

describe("a server that freezes", () => {
  it("costs a client of all servers some seconds, and no event", async () => {
    const frozen = (await status()).servers.find((one) => one.endpoints.grpc === servers[0])!.name;
    const client = connect({ servers, ...tls });
    const maps = client.resource(CONFIGMAPS, "grpc-a");
    const done = new AbortController();
    const seen: string[] = [];
    const { resourceVersion } = await maps.list();
    const watching = (async () => {
      for await (const { type, object } of maps.watch({
        resourceVersion,
        signal: done.signal,
        fieldSelector: "metadata.name!=mine",
      })) {
        seen.push(`${type} ${object.metadata.name}`);
      }
    })();
    await client.apply(configMap("before"), { namespace: "grpc-a" });
    await expect.poll(() => seen, { timeout: 10_000 }).toContain("ADDED before");
    await triOk("host", "freeze", frozen);
    try {
      // A read goes on at another server within its own deadline.
      expect((await maps.get("before")).metadata.name).toBe("before");
      expect(client.currentServer).not.toBe(servers[0]);
      const health = new Map((await client.health()).map((one) => [one.server, one.serving]));
      expect(health.get(servers[0]!)).toBe(false);
      expect(health.get(client.currentServer)).toBe(true);
      await client.apply(configMap("while"), { namespace: "grpc-a" });
      await expect.poll(() => seen, { timeout: 20_000 }).toContain("ADDED while");
    } finally {
      await triOk("host", "thaw", frozen);
    }
    await expect.poll(async () => (await client.health()).every((one) => one.serving), { timeout: 30_000 }).toBe(true);
    done.abort();
    await watching;
    expect(seen.filter((one) => one !== "ADDED kube-root-ca.crt")).toEqual(["ADDED before", "ADDED while"]);
  });
});
