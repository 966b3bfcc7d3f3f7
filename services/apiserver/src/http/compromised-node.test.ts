/**
 * Goal: a node that answers exec, attach, port-forward and logs with what no agent says (A28) gets nothing out of it, and its
 * client a 502. Method: nodes with certificates of their own whose agent's port is played by the test.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type Http2SecureServer, type IncomingHttpHeaders, createSecureServer } from "node:http2";
import { request as httpsRequest } from "node:https";
import { type Server, createServer } from "node:net";
import { join } from "node:path";
import { readKeyPair } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podNamed } from "../fixture.ts";
import { type ServerFixture, startServer } from "../server-fixture.ts";

const REST = 23_070;
const AGENT_PORT = 10_251;

/** Nodes, where they are, what certificate they show, and what they answer to whatever is asked. */
const NODES = {
  redirecting: { address: "127.23.7.1", cn: "system:node:redirecting", status: 302 },
  agreeing: { address: "127.23.7.2", cn: "system:node:agreeing", status: 200 },
  another: { address: "127.23.7.3", cn: "system:node:agreeing", status: 200 },
  stranger: { address: "127.23.7.4", cn: "system:node:stranger", status: 200, foreign: true },
  elsewhere: { address: "127.23.7.5", cn: "system:node:elsewhere", status: 200, san: "127.23.7.99" },
} as const;

let server: ServerFixture;
let trap: Server;
let trapped = 0;
const agents: Http2SecureServer[] = [];
const heard: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  server = await startServer(REST);
  trap = createServer((socket) => {
    trapped += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  const { port } = trap.address() as { port: number };
  for (const [name, node] of Object.entries(NODES)) {
    const san = "san" in node ? node.san : node.address;
    await server.identity(name, { cn: node.cn, san, foreign: "foreign" in node });
    const agent = createSecureServer(readKeyPair(server.dir, name));
    agent.on("stream", (stream, headers) => {
      heard.push(headers);
      stream.on("error", () => undefined);
      stream.respond({ ":status": node.status, location: `https://127.0.0.1:${port}/`, "set-cookie": "stolen=1" });
      stream.end("come here");
    });
    agent.on("sessionError", () => undefined);
    await new Promise<void>((resolve) => agent.listen(AGENT_PORT, node.address, resolve));
    agents.push(agent);
    const addresses = [{ type: "InternalIP", address: node.address }];
    const created = { apiVersion: "v1", kind: "Node", metadata: { name }, status: { addresses } };
    expect((await send("POST", "/api/v1/nodes", {}, created)).code).toBe(201);
    const pod = podNamed(`on-${name}`, { nodeName: name });
    expect((await send("POST", "/api/v1/namespaces/default/pods", {}, pod)).code).toBe(201);
  }
});
afterAll(async () => {
  for (const agent of agents) agent.close();
  trap.close();
  await server.stop();
});

interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Sends a request and reads its answer to the end of the connection. */
async function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: unknown,
): Promise<Answer> {
  const ca = readFileSync(join(server.dir, "ca.crt"));
  const to = { host: "127.0.0.1", port: REST, path, method, agent: false, ca, ...readKeyPair(server.dir, "admin") };
  const request = httpsRequest({ ...to, headers: { "content-type": "application/json", ...headers } });
  const socket = once(request, "socket").then(([one]) => once(one, "close"));
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await Promise.race([once(request, "response"), once(request, "upgrade")])) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  await socket;
  return { code: response.statusCode ?? 0, headers: response.headers, text };
}

const SPDY = { connection: "Upgrade", upgrade: "SPDY/3.1", "x-stream-protocol-version": "v4.channel.k8s.io" };
const CREDENTIALS = { authorization: "Bearer secret", cookie: "session=1", "x-remote-user": "admin" };
const ASKED = [
  ["POST", "exec?command=id&stdout=1", SPDY],
  ["POST", "attach?stdout=1", SPDY],
  ["POST", "portforward?ports=80", SPDY],
  ["GET", "log", {}],
] as const;

describe("a compromised node (A28)", () => {
  it.each(Object.keys(NODES))(
    "that is %s gets a 502 told of it, no credentials, and nobody to follow it",
    async (name) => {
      heard.length = 0;
      const answers = await Promise.all(
        ASKED.map(([method, what, headers]) =>
          send(method, `/api/v1/namespaces/default/pods/on-${name}/${what}`, { ...headers, ...CREDENTIALS }),
        ),
      );
      for (const { code, headers, text } of answers) {
        expect([code, (JSON.parse(text) as { reason: string }).reason]).toEqual([502, "BadGateway"]);
        expect([headers["location"], headers["set-cookie"]]).toEqual([undefined, undefined]);
        expect(text).toContain(name);
        expect(text).not.toContain("come here");
      }
      expect(trapped).toBe(0);
      // Who is not the node hears nothing at all.
      expect(heard.length).toBe(["redirecting", "agreeing"].includes(name) ? ASKED.length : 0);
      for (const headers of heard) {
        expect(Object.keys(headers).filter((key) => /auth.*ion|cookie|remote|impersonate/.test(key))).toEqual([]);
      }
    },
  );
});
