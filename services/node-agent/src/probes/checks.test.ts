import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthService } from "@trireme/proto/grpc/health/v1/health";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check, redirected } from "./checks.ts";

// Goal: a probe says what kubelet's would. Method: real servers on this machine, and ports where nobody listens.

const HOST = "127.0.0.1";
const web = createServer((request, response) => {
  const { url = "", headers } = request;
  if (url === "/moved") return response.writeHead(302, { location: "/there?x=1" }).end();
  if (url === "/away") return response.writeHead(302, { location: "http://192.0.2.1/" }).end();
  if (url === "/loop") return response.writeHead(302, { location: "/loop" }).end();
  if (url === "/slow") return undefined;
  if (url === "/headers") {
    return response.writeHead(headers.host === "shop.example" && headers["x-a"] === "1" ? 200 : 400).end();
  }
  return response.writeHead(url === "/there?x=1" ? 200 : 503).end();
});
const grpc = new Server();
let httpPort = 0;
let grpcPort = 0;
let closed = 0;

beforeAll(async () => {
  await new Promise<void>((resolve) => web.listen(0, HOST, resolve));
  httpPort = (web.address() as AddressInfo).port;
  grpc.addService(HealthService, {
    check: (call: { request: { service: string } }, answer: (error: null, response: { status: number }) => void) =>
      answer(null, { status: call.request.service === "sick" ? 2 : 1 }),
    watch: () => undefined,
  });
  grpcPort = await new Promise((resolve, reject) => {
    grpc.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  const nobody = createTcpServer();
  await new Promise<void>((resolve) => nobody.listen(0, HOST, resolve));
  closed = (nobody.address() as AddressInfo).port;
  await new Promise((resolve) => nobody.close(resolve));
});
afterAll(() => {
  web.close();
  web.closeAllConnections();
  grpc.forceShutdown();
});

const container = { name: "c", ports: [] };
const where = { cri: undefined as never, container, containerId: "c0", ip: HOST };
const http = (path: string, more: object = {}) =>
  check({ httpGet: { path, port: httpPort, ...more }, timeoutSeconds: 1 }, where);

describe("an HTTP probe", () => {
  it("follows redirects to the same host and takes one to another for success", async () => {
    expect(await http("/moved")).toEqual({ ok: true, message: "" });
    expect((await http("/away")).ok).toBe(true);
    expect(await http("/loop")).toEqual({ ok: false, message: "stopped after 10 redirects" });
  });

  it("sends the manifest's headers, the host's name among them", async () => {
    const httpHeaders = [
      { name: "Host", value: "shop.example" },
      { name: "X-A", value: "1" },
    ];
    expect((await http("/headers", { httpHeaders })).ok).toBe(true);
  });

  it("says what was wrong", async () => {
    expect((await http("/nowhere")).message).toBe("HTTP probe failed with statuscode: 503");
    expect((await http("/", { port: closed })).message).toBe(
      `Get "http://${HOST}:${closed}/": dial tcp ${HOST}:${closed}: connect: connection refused`,
    );
    expect((await http("/slow")).message).toContain("context deadline exceeded");
  });

  it("finds its way by scheme and port", () => {
    const at = { action: { path: "/a", port: 80 }, host: "10.0.0.1", port: 8080 };
    expect(redirected(at, "/b")).toMatchObject({ port: 8080, action: { path: "/b", scheme: "HTTP" } });
    expect(redirected(at, "https://10.0.0.1/c")).toMatchObject({ port: 443, action: { scheme: "HTTPS" } });
    expect(redirected(at, "ftp://10.0.0.1/c")).toBeUndefined();
    expect(redirected(at, undefined)).toBeUndefined();
  });
});

describe("the other probes", () => {
  it("ask gRPC's health service", async () => {
    const ask = (port: number, service = "") => check({ grpc: { port, service }, timeoutSeconds: 1 }, where);
    expect(await ask(grpcPort)).toEqual({ ok: true, message: "" });
    expect((await ask(grpcPort, "sick")).message).toBe('service unhealthy (responded with "NOT_SERVING")');
    expect((await ask(closed)).message).toContain(`failed to connect service "${HOST}:${closed}" within 1s`);
  });

  it("connect, and run commands", async () => {
    expect(await check({ tcpSocket: { port: httpPort } }, where)).toEqual({ ok: true, message: "" });
    expect((await check({ tcpSocket: { port: closed } }, where)).message).toBe(
      `dial tcp ${HOST}:${closed}: connect: connection refused`,
    );
    const execSync = async () => ({ exitCode: 1, stdout: Buffer.from("out "), stderr: Buffer.from("err") });
    const cri = { execSync } as never;
    expect(await check({ exec: { command: ["x"] } }, { ...where, cri })).toEqual({ ok: false, message: "out err" });
  });
});
