import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Server, ServerCredentials, type ServerWritableStream, status } from "@grpc/grpc-js";
import { type LogsRequest, type LogsResponse, NodeServiceService } from "@trireme/proto/trireme/node/v1/node";
import { readKeyPair } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podNamed } from "../fixture.ts";
import { AGENT_ADDRESS, type ServerFixture, startServer } from "../server-fixture.ts";

const REST = 23_018;

let server: ServerFixture;
let agent: Server;
let asked: LogsRequest[] = [];

beforeAll(async () => {
  server = await startServer(REST);
  agent = new Server();
  agent.addService(NodeServiceService, {
    logs: (call: ServerWritableStream<LogsRequest, LogsResponse>) => {
      const { request } = call;
      asked.push(request);
      if (request.previous) {
        call.emit("error", { code: status.NOT_FOUND, details: `previous terminated container "c" not found` });
        return;
      }
      call.write({ data: Buffer.from("one\n") });
      if (!request.follow) call.end();
      else setTimeout(() => call.write({ data: Buffer.from("two\n") }), 50);
    },
  });
  const read = (file: string): Buffer => readFileSync(join(server.dir, file));
  const pairs = [{ cert_chain: read("node.crt"), private_key: read("node.key") }];
  const credentials = ServerCredentials.createSsl(read("ca.crt"), pairs, true);
  await new Promise<void>((resolve, reject) => {
    agent.bindAsync(`${AGENT_ADDRESS}:10251`, credentials, (error) => (error === null ? resolve() : reject(error)));
  });
  const addressed = (name: string, address: string) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: { addresses: [{ type: "InternalIP", address }] },
  });
  await send("POST", "/api/v1/nodes", addressed("node1", AGENT_ADDRESS));
  await send("POST", "/api/v1/nodes", addressed("node2", "127.23.0.11"));
  await send("POST", "/api/v1/namespaces/default/pods", podNamed("bound", { nodeName: "node1" }));
  await send("POST", "/api/v1/namespaces/default/pods", podNamed("lost", { nodeName: "node2" }));
  await send("POST", "/api/v1/namespaces/default/pods", podNamed("free"));
});
afterAll(async () => {
  agent.forceShutdown();
  await server.stop();
});

function open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers = payload === undefined ? {} : { "content-type": "application/json" };
  const ca = readFileSync(join(server.dir, "ca.crt"));
  const to = {
    host: "127.0.0.1",
    port: REST,
    path,
    method,
    agent: false,
    ca,
    ...readKeyPair(server.dir, "admin"),
    headers,
  };
  return new Promise((resolve, reject) => {
    httpsRequest(to, resolve).on("error", reject).end(payload);
  });
}

async function send(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const response = await open(method, path, body);
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, text };
}

const logs = (pod: string, query = "") => send("GET", `/api/v1/namespaces/default/pods/${pod}/log${query}`);

describe("pod logs", () => {
  it("come from the agent of the pod's node", async () => {
    asked = [];
    expect(await logs("bound", "?tailLines=5&timestamps=true&limitBytes=100")).toEqual({ status: 200, text: "one\n" });
    expect(asked[0]).toMatchObject({ pod: "bound", container: "c", tailLines: 5n, timestamps: true, limitBytes: 100n });
    expect(asked[0]!.podUid).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("flow as they are written, until the reader goes", async () => {
    const response = await open("GET", "/api/v1/namespaces/default/pods/bound/log?follow=true");
    let text = "";
    for await (const chunk of response) {
      text += String(chunk);
      if (text.includes("two")) break;
    }
    expect(text).toBe("one\ntwo\n");
    response.destroy();
  });

  it("come over a WebSocket to who asks so", async () => {
    const ask = (protocol: string): Promise<string> => {
      const headers = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol": protocol,
      };
      const ca = readFileSync(join(server.dir, "ca.crt"));
      const path = "/api/v1/namespaces/default/pods/bound/log";
      const to = {
        host: "127.0.0.1",
        port: REST,
        path,
        agent: false,
        ca,
        ...readKeyPair(server.dir, "admin"),
        headers,
      };
      return new Promise((resolve, reject) => {
        const request = httpsRequest(to).on("error", reject);
        request.on("response", (response) => resolve(String(response.resume().statusCode)));
        request.on("upgrade", (response: IncomingMessage, socket: Socket, head: Buffer) => {
          const pieces = [head];
          socket.on("data", (piece: Buffer) => pieces.push(piece));
          socket.on("close", () =>
            resolve(`${response.headers["sec-websocket-accept"]} ${Buffer.concat(pieces).toString("latin1")}`),
          );
        });
        request.end();
      });
    };
    // The example of RFC 6455, one message, and a normal closure.
    expect(await ask("binary.k8s.io")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \x82\x04one\n\x88\x02\x03\xe8");
    expect(await ask("base64.binary.k8s.io")).toContain("\x81\x08b25lCg==");
    expect(await ask("v5.channel.k8s.io")).toBe("400");
  });

  it("say why there are none", async () => {
    const told = async (pod: string, query = ""): Promise<string> => {
      const { status: code, text } = await logs(pod, query);
      return `${code} ${(JSON.parse(text) as { message: string }).message}`;
    };
    expect(await told("no")).toBe('404 pods "no" not found');
    expect(await told("bound", "?container=x")).toBe("400 container x is not valid for pod bound, choose one of: [c]");
    expect(await told("bound", "?tailLines=-1")).toContain("422 PodLogOptions");
    expect(await told("bound", "?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z")).toContain("at most one of");
    expect(await told("bound", "?tailLines=x")).toContain("400 tailLines");
    expect(await told("bound", "?previous=true")).toBe('404 previous terminated container "c" not found');
    expect(await told("free")).toContain('400 container "c" in pod "free" is waiting to start');
    expect(await told("lost")).toBe('503 the agent of node "node2" does not answer; is the node Ready?');
  }, 10_000);
});
