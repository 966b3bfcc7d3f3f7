import { type KeyPair, createCa, issue } from "@trireme/pki";
import { spawnSync } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, type Socket, connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type ApiClient,
  type ApiObject,
  type ClientOptions,
  type ClientTiming,
  type ResourceClient,
  createApiClient,
} from "./index.ts";

/** An apiserver's stand-in behind a wire that the test can cut: nothing passes then, and no reset tells. */
interface FakeServer {
  readonly address: string;
  handle: (req: IncomingMessage, res: ServerResponse, body: string) => void;
  readonly seen: string[];
  cut(): void;
  heal(): void;
  stop(): void;
}

const PODS = { group: "", version: "v1", resource: "pods", namespaced: true };
const DEPLOYMENTS = { group: "apps", version: "v1", resource: "deployments", namespaced: true };
const NODES = { group: "", version: "v1", resource: "nodes", namespaced: false };

// Short, so that a cut is noticed in a fifth of a second; long enough for a handshake on a loaded machine.
const TIMING: Partial<ClientTiming> = {
  connectMs: 250,
  requestMs: 3000,
  silenceMs: 60,
  probeMs: 120,
  recheckMs: 30,
  retryMs: 20,
};

let tls: { ca: string; server: KeyPair; client: KeyPair };
const cleanups: (() => void)[] = [];

beforeAll(async () => {
  const ca = await createCa("test CA");
  tls = {
    ca: ca.cert,
    server: await issue({ ca, cn: "api", sans: ["127.0.0.1"], server: true }),
    client: await issue({ ca, cn: "tester", client: true }),
  };
});

afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

function json(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function startServer(port = 0): Promise<FakeServer> {
  const seen: string[] = [];
  const inner = createServer({ ...tls.server, ca: tls.ca, requestCert: true, rejectUnauthorized: true }, (req, res) => {
    const user = (req.socket as TLSSocket).getPeerCertificate().subject.CN;
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      if (req.url === "/livez" || req.url === "/readyz") return json(res, 200, {});
      seen.push(`${String(user)} ${String(req.method)} ${String(req.url)}`);
      fake.handle(req, res, Buffer.concat(chunks).toString());
    });
  });
  await new Promise<void>((resolve) => inner.listen(0, "127.0.0.1", resolve));
  const innerPort = (inner.address() as AddressInfo).port;
  let isCut = false;
  const sockets = new Set<Socket>();
  const outer = createTcpServer((socket) => {
    const upstream = connect(innerPort, "127.0.0.1");
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(from);
      from.on("data", (data) => isCut || to.write(data));
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        if (!isCut) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => outer.listen(port, "127.0.0.1", resolve));
  const fake: FakeServer = {
    address: `127.0.0.1:${(outer.address() as AddressInfo).port}`,
    handle: (_, res) => json(res, 200, { metadata: { name: fake.address } }),
    seen,
    cut: () => void (isCut = true),
    heal: () => void (isCut = false),
    stop() {
      outer.close();
      inner.close();
      inner.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
  cleanups.push(() => fake.stop());
  return fake;
}

function clientOf(servers: readonly string[], extra: Partial<ClientOptions> = {}): ApiClient {
  const client = createApiClient({
    servers,
    ca: tls.ca,
    ...tls.client,
    userAgent: "test",
    timing: TIMING,
    ...extra,
  });
  cleanups.push(() => client.close());
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** An address that refuses connections. */
async function refusing(): Promise<string> {
  const server = await startServer();
  server.stop();
  return server.address;
}

describe("requests", () => {
  it("spell paths, methods, types, user and fence as the API expects", async () => {
    const server = await startServer();
    const bodies: string[] = [];
    server.handle = (req, res, body) => {
      const fence = req.headers["trireme-fence"];
      bodies.push(`${String(req.headers["content-type"])} ${fence === undefined ? "-" : String(fence)} ${body}`);
      json(res, 200, { metadata: { name: "x" } });
    };
    const client = clientOf([server.address], { fence: () => "scheduler=7" });
    const object: ApiObject = { metadata: { name: "a", namespace: "ns" } };
    await client.resource(PODS, "ns").get("a");
    await client.resource(PODS).get("ns/a");
    await client.resource(DEPLOYMENTS).update(object);
    await client.resource(DEPLOYMENTS).updateStatus(object);
    await client.resource(NODES).patch("n", { type: "merge", body: { a: 1 }, fieldManager: "me" });
    await client.resource(PODS, "ns").delete("a", { gracePeriodSeconds: 0, preconditions: { uid: "u" } });
    await client.resource(PODS, "ns").subresource("POST", "a", "binding", { target: { name: "n" } });
    expect(server.seen).toEqual([
      "tester GET /api/v1/namespaces/ns/pods/a",
      "tester GET /api/v1/namespaces/ns/pods/a",
      "tester PUT /apis/apps/v1/namespaces/ns/deployments/a",
      "tester PUT /apis/apps/v1/namespaces/ns/deployments/a/status",
      "tester PATCH /api/v1/nodes/n?fieldManager=me",
      "tester DELETE /api/v1/namespaces/ns/pods/a",
      "tester POST /api/v1/namespaces/ns/pods/a/binding",
    ]);
    expect(bodies[0]).toBe("undefined - ");
    expect(bodies[4]).toBe('application/merge-patch+json scheduler=7 {"a":1}');
    expect(bodies[5]).toContain('"gracePeriodSeconds":0,"preconditions":{"uid":"u"}');
  });

  it("give listed items their kind and the list its revision", async () => {
    const server = await startServer();
    server.handle = (_, res) =>
      json(res, 200, {
        kind: "PodList",
        apiVersion: "v1",
        metadata: { resourceVersion: "42" },
        items: [{ metadata: { name: "a" } }],
      });
    const list = await clientOf([server.address]).resource(PODS).list({ fieldSelector: "spec.nodeName=n1" });
    expect(list).toEqual({
      resourceVersion: "42",
      items: [{ kind: "Pod", apiVersion: "v1", metadata: { name: "a" } }],
    });
    expect(server.seen).toEqual(["tester GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1"]);
  });

  it("turn a Status into an error with its reason, details and causes", async () => {
    const server = await startServer();
    server.handle = (_, res) =>
      json(res, 422, {
        kind: "Status",
        reason: "Invalid",
        message: "bad",
        code: 422,
        details: { name: "a", causes: [{ reason: "FieldValueInvalid", message: "m", field: "spec.replicas" }] },
      });
    await expect(clientOf([server.address]).resource(PODS, "ns").create({ metadata: {} })).rejects.toMatchObject({
      code: "Invalid",
      message: "bad",
      details: { name: "a", causes: [{ field: "spec.replicas", message: "m", reason: "FieldValueInvalid" }] },
    });
    server.handle = (_, res) => void res.writeHead(409).end("<html>");
    await expect(clientOf([server.address]).resource(PODS, "ns").get("a")).rejects.toMatchObject({ code: "Conflict" });
  });

  it("reuse one connection", async () => {
    const server = await startServer();
    const ports = new Set<number | undefined>();
    server.handle = (req, res) => {
      ports.add(req.socket.remotePort);
      json(res, 200, { metadata: {} });
    };
    const pods = clientOf([server.address]).resource(PODS, "ns");
    for (let i = 0; i < 5; i++) await pods.get("a");
    expect(ports.size).toBe(1);
  });
});

it("proves itself once to a server, and then opens connections by its ticket, as the same user", async () => {
  const server = await startServer();
  const reused: boolean[] = [];
  server.handle = (req, res) => {
    reused.push((req.socket as TLSSocket).isSessionReused());
    res.writeHead(200).end();
  };
  const pods = clientOf([server.address]).resource(PODS, "ns");
  for (let i = 0; i < 3; i++) await pods.watch({ resourceVersion: "1" }, () => {});
  expect(reused).toEqual([false, true, true]);
  expect(new Set(server.seen.map((line) => line.split(" ")[0])).size).toBe(1);
  expect(server.seen[0]).not.toContain("undefined");
});

it("goes on under a renewed certificate over new connections, while what is under way ends on its own", async () => {
  const ca = await createCa("renewing CA");
  const pair = await issue({ ca, cn: "api", sans: ["127.0.0.1"], server: true });
  const users: string[] = [];
  let finish = (): void => {};
  const server = createServer({ ...pair, ca: ca.cert, requestCert: true, rejectUnauthorized: true }, (req, res) => {
    // A busy machine is silent for so long that the client asks whether the server lives: that is no call of ours.
    if (!req.url!.startsWith("/api/")) return json(res, 200, {});
    users.push(String((req.socket as TLSSocket).getPeerCertificate().subject.CN));
    if (users.length === 2) finish = () => json(res, 200, { metadata: { name: "slow" } });
    else json(res, 200, { metadata: {} });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  let identity = { ca: ca.cert, ...(await issue({ ca, cn: "before", client: true })) };
  const live = {
    get ca() {
      return identity.ca;
    },
    get cert() {
      return identity.cert;
    },
    get key() {
      return identity.key;
    },
  };
  const servers = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
  const client = createApiClient({ servers, tls: live, userAgent: "test", timing: TIMING });
  cleanups.push(() => client.close());
  const pods = client.resource(PODS, "ns");
  await pods.get("a");
  const slow = pods.get("slow");
  await until(() => users.length === 2);
  identity = { ca: ca.cert, ...(await issue({ ca, cn: "after", client: true })) };
  await pods.get("b");
  await pods.get("c");
  finish();
  expect(await slow).toMatchObject({ metadata: { name: "slow" } });
  await pods.get("d");
  expect(users).toEqual(["before", "before", "after", "after", "after"]);
});

describe("failover", () => {
  it("passes over servers that refuse, and returns to the first once it is ready", async () => {
    const first = await refusing();
    const second = await startServer();
    const client = clientOf([first, second.address]);
    await client.resource(PODS, "ns").create({ metadata: { name: "a" } });
    expect([client.currentServer, second.seen.length]).toEqual([second.address, 1]);
    await startServer(Number(first.split(":")[1]));
    await until(() => client.currentServer === first);
  });

  it("asks another server when one says 503 to a read, but never repeats a write", async () => {
    const [a, b] = [await startServer(), await startServer()];
    a.handle = (_, res) => json(res, 503, { kind: "Status", reason: "ServiceUnavailable", message: "no quorum" });
    const pods = clientOf([a.address, b.address]).resource(PODS, "ns");
    expect(await pods.get("x")).toMatchObject({ metadata: { name: b.address } });
    await expect(pods.create({ metadata: { name: "x" } })).rejects.toMatchObject({ code: "ServiceUnavailable" });
    expect(b.seen).toEqual(["tester GET /api/v1/namespaces/ns/pods/x"]);
  });

  it("repeats a read whose answer broke off; a write's fate is Unknown", async () => {
    const [a, b] = [await startServer(), await startServer()];
    a.handle = (req) => req.socket.destroy();
    const pods = clientOf([a.address, b.address]).resource(PODS, "ns");
    expect(await pods.get("x")).toMatchObject({ metadata: { name: b.address } });
    const again = clientOf([a.address, b.address]).resource(PODS, "ns");
    await expect(again.create({ metadata: { name: "x" } })).rejects.toMatchObject({ code: "Unknown" });
    expect(b.seen).toEqual(["tester GET /api/v1/namespaces/ns/pods/x"]);
  });

  it("tries everything once more when no server took the request, writes too", async () => {
    const address = await refusing();
    const client = clientOf([address], { timing: { ...TIMING, retryMs: 500 } });
    const write = client.resource(PODS, "ns").create({ metadata: { name: "x" } });
    const server = await startServer(Number(address.split(":")[1]));
    expect(await write).toMatchObject({ metadata: { name: address } });
    expect(server.seen).toHaveLength(1);
  });

  it("names every server when none answers", async () => {
    const [a, b] = [await refusing(), await refusing()];
    const failure = clientOf([a, b]).resource(PODS, "ns").get("x");
    await expect(failure).rejects.toMatchObject({ code: "ServiceUnavailable" });
    await expect(failure).rejects.toThrow(new RegExp(`${a}.*${b}`));
  });

  it("keeps its process alive until it has answered, in the pause between two rounds too", () => {
    const client = JSON.stringify(join(import.meta.dirname, "index.ts"));
    const options = JSON.stringify({ servers: ["127.0.0.1:1"], ca: "", cert: "", key: "", userAgent: "x" });
    const script = `import { createApiClient } from ${client};
      await createApiClient(${options}).raw("GET", "/livez").catch((error) => console.log(error.code));`;
    const { status, stdout } = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script]);
    expect([String(stdout), status]).toEqual(["ServiceUnavailable\n", 0]);
  });

  it("notices a server that was cut off without a reset: reads go elsewhere, writes are Unknown, watches end", async () => {
    const [a, b] = [await startServer(), await startServer()];
    let open = 0;
    a.handle = (req, res) => {
      if (req.url?.includes("watch=true") !== true) return json(res, 200, { metadata: { name: a.address } });
      open += 1;
      res.writeHead(200).flushHeaders();
    };
    const client = clientOf([a.address, b.address]);
    const pods = client.resource(PODS, "ns");
    const watch = pods.watch({ resourceVersion: "1" }, () => {});
    const failed = expect(watch).rejects.toMatchObject({ code: "ServiceUnavailable" });
    await pods.get("x");
    await until(() => open === 1);
    a.cut();
    const write = expect(pods.create({ metadata: { name: "x" } })).rejects.toMatchObject({ code: "Unknown" });
    expect(await pods.get("x")).toMatchObject({ metadata: { name: b.address } });
    await Promise.all([write, failed]);
    // A server that is cut off before the first byte was never reached, so even a write may go elsewhere.
    expect(await pods.create({ metadata: { name: "y" } })).toMatchObject({ metadata: { name: b.address } });
    a.heal();
    await until(() => client.currentServer === a.address);
  });

  it("leaves a slow but living server alone until the deadline, then asks another first", async () => {
    const [a, b] = [await startServer(), await startServer()];
    a.handle = () => {};
    const timing = { ...TIMING, probeMs: 2000, requestMs: 600, recheckMs: 10_000 };
    const pods = (): ResourceClient<ApiObject> => clientOf([a.address, b.address], { timing }).resource(PODS, "ns");
    const slow = pods();
    await expect(slow.get("x")).rejects.toMatchObject({ code: "Timeout" });
    expect([a.seen.length, b.seen.length]).toEqual([1, 0]);
    expect(await slow.get("x")).toMatchObject({ metadata: { name: b.address } });
    await expect(pods().create({ metadata: {} })).rejects.toMatchObject({ code: "Unknown" });
  });

  it("does not trust a server with another CA's certificate", async () => {
    const server = await startServer();
    const other = await createCa("other");
    const client = clientOf([server.address], { ca: other.cert });
    await expect(client.resource(PODS, "ns").get("x")).rejects.toMatchObject({ code: "ServiceUnavailable" });
    expect(server.seen).toEqual([]);
  });
});

describe("watch", () => {
  const event = (type: string, name: string): string => JSON.stringify({ type, object: { metadata: { name } } });

  it("parses events however they are chunked, until the server ends", async () => {
    const server = await startServer();
    const bytes = Buffer.from(`${event("ADDED", "ä")}\n${event("MODIFIED", "b")}\n\n${event("BOOKMARK", "c")}\n`);
    server.handle = (_, res) => {
      res.writeHead(200);
      const sendFrom = (i: number): void => {
        if (i >= bytes.length) return void res.end();
        res.write(bytes.subarray(i, i + 7), () => sendFrom(i + 7));
      };
      sendFrom(0);
    };
    const seen: string[] = [];
    await clientOf([server.address])
      .resource(PODS)
      .watch({ resourceVersion: "5" }, (e) => seen.push(`${e.type} ${String(e.object.metadata.name)}`));
    expect(seen).toEqual(["ADDED ä", "MODIFIED b", "BOOKMARK c"]);
    expect(server.seen).toEqual(["tester GET /api/v1/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true"]);
  });

  it("fails as Expired when the revision is too old, in the stream or at once", async () => {
    const server = await startServer();
    const status = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    const pods = clientOf([server.address]).resource(PODS);
    server.handle = (_, res) => void res.writeHead(200).end(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
    await expect(pods.watch({ resourceVersion: "5" }, () => {})).rejects.toMatchObject({ code: "Expired" });
    server.handle = (_, res) => json(res, 410, status);
    await expect(pods.watch({ resourceVersion: "5" }, () => {})).rejects.toMatchObject({ code: "Expired" });
  });

  it("resolves when its signal aborts, before or after it opened, and when the listener throws it says so", async () => {
    const server = await startServer();
    server.handle = (_, res) => void res.writeHead(200).write(`${event("ADDED", "a")}\n`);
    const pods = clientOf([server.address]).resource(PODS);
    await pods.watch({ resourceVersion: "5", signal: AbortSignal.abort() }, () => {});
    const controller = new AbortController();
    let opened = false;
    const onOpen = (): void => void (opened = true);
    await pods.watch({ resourceVersion: "5", signal: controller.signal, onOpen }, () => controller.abort());
    expect(opened).toBe(true);
    const fail = pods.watch({ resourceVersion: "5" }, () => {
      throw new Error("mine");
    });
    await expect(fail).rejects.toThrow("mine");
  });

  it("is given up after a long silence of a living server", async () => {
    const server = await startServer();
    server.handle = (_, res) => res.writeHead(200).flushHeaders();
    const client = clientOf([server.address], { timing: { ...TIMING, watchSilenceMs: 50 } });
    const watch = client.resource(PODS).watch({ resourceVersion: "5" }, () => {});
    await expect(watch).rejects.toMatchObject({ code: "ServiceUnavailable" });
  });
});
