import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type RequestOptions, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Server, ServerCredentials, type ServerDuplexStream, status } from "@grpc/grpc-js";
import {
  NodeServiceService,
  type TunnelOpen,
  type TunnelRequest,
  type TunnelResponse,
} from "@trireme/proto/trireme/node/v1/node";
import { readKeyPair } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podNamed } from "../fixture.ts";
import { AGENT_ADDRESS, type ServerFixture, startServer } from "../server-fixture.ts";
import { answerHead } from "./tunnel.ts";

// Goal: a client's connection becomes a tunnel to the agent, or is refused with the reason. Method: an agent that echoes.

const REST = 23_030;
const NOTHING = Buffer.alloc(0);

let server: ServerFixture;
let agent: Server;
let asked: TunnelOpen | undefined;

/** An agent that agrees, sends back what it gets, and says goodbye after the client's last word. */
function echo(call: ServerDuplexStream<TunnelRequest, TunnelResponse>): void {
  call.on("data", ({ open, data }: TunnelRequest) => {
    if (open === undefined) {
      if (call.write({ data })) return;
      call.pause();
      call.once("drain", () => call.resume());
      return;
    }
    asked = open;
    const refusal = open.exec?.command[0];
    if (refusal === "precondition") {
      call.emit("error", { code: status.FAILED_PRECONDITION, details: 'container "c" is not running' });
    } else if (refusal === "redirect") {
      const opened = { status: 302, headers: [{ name: "location", value: "https://elsewhere" }], message: "" };
      call.write({ opened, data: NOTHING });
      call.end();
    } else {
      const headers = [
        { name: "Connection", value: "Upgrade" },
        { name: "Upgrade", value: "SPDY/3.1" },
        { name: "X-Stream-Protocol-Version", value: "v4.channel.k8s.io" },
        { name: "Set-Cookie", value: "not=forwarded" },
      ];
      call.write({ opened: { status: 101, headers, message: "" }, data: NOTHING });
    }
  });
  call.on("end", () => {
    call.write({ data: Buffer.from("bye") });
    call.end();
  });
}

beforeAll(async () => {
  server = await startServer(REST);
  agent = new Server();
  agent.addService(NodeServiceService, { tunnel: echo, logs: () => undefined });
  const read = (file: string): Buffer => readFileSync(join(server.dir, file));
  const pairs = [{ cert_chain: read("node.crt"), private_key: read("node.key") }];
  const credentials = ServerCredentials.createSsl(read("ca.crt"), pairs, true);
  await new Promise<void>((resolve, reject) => {
    agent.bindAsync(`${AGENT_ADDRESS}:10251`, credentials, (error) => (error === null ? resolve() : reject(error)));
  });
  const addresses = [{ type: "InternalIP", address: AGENT_ADDRESS }];
  await plain("POST", "/api/v1/nodes", {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "node1" },
    status: { addresses },
  });
  await plain("POST", "/api/v1/namespaces/default/pods", podNamed("bound", { nodeName: "node1" }));
  await plain("POST", "/api/v1/namespaces/default/pods", podNamed("free"));
});
afterAll(async () => {
  agent.forceShutdown();
  await server.stop();
});

function to(path: string, method: string, headers: RequestOptions["headers"], as = "admin"): RequestOptions {
  const ca = readFileSync(join(server.dir, "ca.crt"));
  return { host: "127.0.0.1", port: REST, path, method, agent: false, ca, ...readKeyPair(server.dir, as), headers };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return text;
}

async function plain(method: string, path: string, body?: unknown): Promise<string> {
  const request = httpsRequest(to(path, method, { "content-type": "application/json" }));
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return `${response.statusCode} ${await textOf(response)}`;
}

interface Answer {
  readonly response: IncomingMessage;
  readonly socket?: Socket;
}

function upgrade(path: string, { as = "admin", method = "POST", headers = {} } = {}): Promise<Answer> {
  const spdy = { connection: "Upgrade", upgrade: "SPDY/3.1", "x-stream-protocol-version": ["v5", "v4"], ...headers };
  const request = httpsRequest(to(`/api/v1/namespaces/default/pods/${path}`, method, spdy, as));
  return new Promise((resolve, reject) => {
    request.on("upgrade", (response: IncomingMessage, socket: Socket) => resolve({ response, socket }));
    request.on("response", (response: IncomingMessage) => resolve({ response }));
    request.on("error", reject);
    request.end();
  });
}

async function refusal(path: string, options = {}): Promise<string> {
  const { response } = await upgrade(path, options);
  const text = await textOf(response);
  return `${response.statusCode} ${(JSON.parse(text) as { message: string }).message}`;
}

describe("a stream into a pod", () => {
  it("tells the agent what was asked, and the client what was agreed", async () => {
    const path = "bound/exec?command=sh&command=-c&command=a+b&stdin=true&stdout=true&stderr=true&tty=true";
    const { response, socket } = await upgrade(path, { headers: { authorization: "secret", cookie: "x" } });
    expect(response.statusCode).toBe(101);
    expect(response.headers).toEqual({
      connection: "Upgrade",
      upgrade: "SPDY/3.1",
      "x-stream-protocol-version": "v4.channel.k8s.io",
    });
    expect(asked).toMatchObject({ pod: "bound", namespace: "default", method: "POST" });
    expect(asked?.exec).toEqual({
      container: "c",
      command: ["sh", "-c", "a b"],
      streams: { stdin: true, stdout: true, stderr: false, tty: true },
    });
    expect(asked?.headers).toEqual([
      { name: "upgrade", value: "SPDY/3.1" },
      { name: "x-stream-protocol-version", value: "v5" },
      { name: "x-stream-protocol-version", value: "v4" },
    ]);
    socket!.destroy();
  });

  it("carries bytes both ways, and what is said after the client's last word", async () => {
    const { socket } = await upgrade("bound/portforward");
    const sent = Buffer.alloc(4 * 1024 * 1024, "0123456789abcdef");
    const got: Buffer[] = [];
    socket!.allowHalfOpen = true;
    socket!.on("data", (piece: Buffer) => got.push(piece));
    socket!.end(sent);
    await once(socket!, "end");
    expect(Buffer.concat(got).equals(Buffer.concat([sent, Buffer.from("bye")]))).toBe(true);
  });

  it("is refused with the reason", async () => {
    const exec = "exec?command=x&stdout=1";
    expect(await refusal(`no/${exec}`)).toBe('404 pods "no" not found');
    expect(await refusal(`bound/${exec}&container=x`)).toContain(
      "400 container x is not valid for pod bound, choose one of: [c]",
    );
    expect(await refusal(`free/${exec}`)).toContain('400 pod "free" is not running');
    expect(await refusal("bound/exec?command=x")).toContain("400 you must specify at least 1 of");
    expect(await refusal("bound/exec?stdout=1")).toContain("400 command: Required value");
    expect(await refusal("bound/exec?command=precondition&stdout=1")).toBe('400 container "c" is not running');
    expect(await refusal("bound/portforward?ports=0")).toContain("400 ports: Invalid value");
    expect(await refusal(`bound/${exec}`, { as: "node" })).toContain('cannot create resource "pods/exec"');
    expect(await plain("POST", "/api/v1/namespaces/default/pods/bound/attach?stdout=1")).toContain(
      "Upgrade request required",
    );
  });

  it("follows no redirect of a node", async () => {
    const { response } = await upgrade("bound/exec?command=redirect&stdout=1");
    expect(response.statusCode).toBe(502);
    expect(response.headers["location"]).toBeUndefined();
    expect(await textOf(response)).not.toContain("elsewhere");
  });

  it("sends a client of SPDY inside a WebSocket on to plain SPDY", async () => {
    const headers = { upgrade: "websocket", "sec-websocket-protocol": "SPDY/3.1+portforward.k8s.io" };
    expect(await refusal("bound/portforward", { method: "GET", headers })).toContain("400 SPDY/3.1+portforward.k8s.io");
  });

  it("does not change the protocol of anything else", async () => {
    const { response, socket } = await upgrade("bound", { method: "GET" });
    expect({ code: response.statusCode, socket }).toEqual({ code: 200, socket: undefined });
  });
});

it("lets no header of the runtime break the head", () => {
  const headers = [{ name: "Upgrade", value: "x\r\nEvil: 1" }];
  expect(answerHead({ status: 101, headers, message: "" })).toBe("HTTP/1.1 101 Switching Protocols\r\n\r\n");
});
