import { once } from "node:events";
import { type IncomingMessage, type Server, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TunnelOpen } from "@trireme/proto/trireme/node/v1/node";
import type { ContainerFact, RuntimePod } from "../pods/facts.ts";
import { podStreams, runtimeUrl } from "./pod-streams.ts";

// Goal: the agent asks the runtime for the right stream and negotiates with it. Method: a streaming server that agrees to
// SPDY, refuses WebSockets as containerd 1.6 does, and says what it was asked.

let runtime: Server;
let base = "";
let asked: IncomingMessage | undefined;
const calls: unknown[] = [];

beforeAll(async () => {
  runtime = createServer();
  runtime.on("upgrade", (request: IncomingMessage, socket: Socket) => {
    asked = request;
    if (request.headers.upgrade !== "SPDY/3.1") {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n");
      return;
    }
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nfirst");
    socket.on("data", (data) => socket.write(data));
  });
  runtime.listen(0, "127.0.0.1");
  await once(runtime, "listening");
  base = `http://127.0.0.1:${(runtime.address() as AddressInfo).port}`;
});
afterAll(() => runtime.close());

const container = (name: string, attempt: number, state: ContainerFact["state"]): ContainerFact =>
  ({ id: `${name}-${attempt}`, name, attempt, state }) as ContainerFact;
const POD: RuntimePod = {
  uid: "u1",
  namespace: "default",
  name: "web",
  sandboxes: [
    { id: "new", attempt: 1, ready: true, ip: "10.0.0.1", createdAt: 0 },
    { id: "old", attempt: 0, ready: false, ip: "", createdAt: 0 },
  ],
  containers: [container("web", 1, "running"), container("web", 0, "exited"), container("crashed", 0, "exited")],
};
const source = podStreams({
  cri: {
    exec: async (request) => (calls.push(request), `${base}/exec/token`),
    attach: async (request) => (calls.push(request), `${base}/attach/token`),
    portForward: async (...args) => (calls.push(args), `${base}/portforward/token`),
  },
  runtime: async (uid) => (uid === POD.uid ? POD : undefined),
});
const SPDY = [
  { name: "upgrade", value: "SPDY/3.1" },
  { name: "x-stream-protocol-version", value: "v5.channel.k8s.io" },
  { name: "x-stream-protocol-version", value: "v4.channel.k8s.io" },
];
const streams = { stdin: true, stdout: true, stderr: false, tty: true };
const open = (more: Partial<TunnelOpen>): ReturnType<typeof source> =>
  source(
    { namespace: "default", pod: "web", podUid: "u1", method: "POST", headers: SPDY, ...more },
    new AbortController().signal,
  );

describe("a stream into a pod", () => {
  it("runs in the newest instance of the container, with what the client negotiates", async () => {
    const opened = await open({ exec: { container: "web", command: ["sh", "-c", "x"], streams } });
    expect(calls.at(-1)).toEqual({ containerId: "web-1", cmd: ["sh", "-c", "x"], ...streams });
    expect(asked).toMatchObject({ method: "POST", url: "/exec/token" });
    expect(asked!.headersDistinct["x-stream-protocol-version"]).toEqual(["v5.channel.k8s.io", "v4.channel.k8s.io"]);
    expect(opened).toMatchObject({ status: 101, headers: [{ name: "Connection" }, { name: "Upgrade" }] });
    opened.socket!.write("echo");
    let text = String("head" in opened ? opened.head : "");
    for await (const piece of opened.socket!) {
      text += String(piece);
      if (text.endsWith("echo")) break;
    }
    expect(text).toBe("firstecho");
  });

  it("passes a refusal on", async () => {
    const headers = [{ name: "upgrade", value: "websocket" }];
    const attach = { container: "web", streams };
    expect(await open({ method: "GET", headers, attach })).toEqual({ status: 403, message: "no" });
  });

  it("forwards ports of the sandbox that is ready", async () => {
    const opened = await open({ portForward: { ports: [80] } });
    expect(calls.at(-1)).toEqual(["new", [80]]);
    opened.socket!.destroy();
  });

  it("says why there is none", async () => {
    const exec = (name: string) => ({ exec: { container: name, command: ["x"], streams } });
    await expect(open({ ...exec("web"), podUid: "other" })).rejects.toMatchObject({ code: "NotFound" });
    await expect(open(exec("crashed"))).rejects.toThrow('container "crashed" of pod "web" is not running');
    await expect(open(exec("none"))).rejects.toThrow("it has not been created yet");
    await expect(open({})).rejects.toMatchObject({ code: "BadRequest" });
  });

  it("never leaves the machine", () => {
    expect(runtimeUrl("http://127.0.0.1:1234/exec/x").port).toBe("1234");
    for (const url of ["http://10.0.0.1:1/exec/x", "https://127.0.0.1/x", "file:///etc/passwd", "nonsense"]) {
      expect(() => runtimeUrl(url)).toThrow("loopback");
    }
  });
});
