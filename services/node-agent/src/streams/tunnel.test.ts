import { once } from "node:events";
import { type AddressInfo, type Server as TcpServer, type Socket, connect, createServer } from "node:net";
import { Server, ServerCredentials, type ServiceError, credentials, status } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import { NodeServiceClient, NodeServiceService } from "@trireme/proto/trireme/node/v1/node";
import type { TunnelOpen, TunnelResponse } from "@trireme/proto/trireme/node/v1/node";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { StreamSource } from "./tunnel.ts";
import { serveTunnel } from "./tunnel.ts";

// Goal: bytes flow both ways at the pace of the slower side, and an end on one side is an end on the other. Method: a real
// gRPC call on one side and a TCP server that plays the runtime on the other.

const NOTHING = Buffer.alloc(0);
const OPEN: TunnelOpen = { namespace: "d", pod: "p", podUid: "u", method: "POST", headers: [] };

let runtime: TcpServer;
let server: Server;
let client: NodeServiceClient;
let play: (socket: Socket) => void = () => undefined;
let source: StreamSource;

beforeAll(async () => {
  runtime = createServer({ allowHalfOpen: true }, (socket) => play(socket));
  runtime.listen(0, "127.0.0.1");
  await once(runtime, "listening");
  server = new Server();
  server.addService(NodeServiceService, {
    logs: () => undefined,
    tunnel: (call: Parameters<typeof serveTunnel>[0]) =>
      void serveTunnel(call, source).catch((error: Error) =>
        call.emit("error", { code: status.NOT_FOUND, details: error.message }),
      ),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  client = new NodeServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterAll(() => {
  client.close();
  server.forceShutdown();
  runtime.close();
});
beforeEach(() => {
  source = async () => {
    const socket = connect({ port: (runtime.address() as AddressInfo).port, host: "127.0.0.1" });
    await once(socket, "connect");
    return { status: 101, headers: [], socket, head: Buffer.from("head,") };
  };
});

function dial(): { call: ReturnType<NodeServiceClient["tunnel"]>; all: Promise<Buffer> } {
  const call = client.tunnel();
  const pieces: Buffer[] = [];
  call.on("data", ({ data }: TunnelResponse) => pieces.push(data));
  const all = new Promise<Buffer>((resolve, reject) => {
    call.on("end", () => resolve(Buffer.concat(pieces)));
    call.on("error", reject);
  });
  call.write({ open: OPEN, data: NOTHING });
  return { call, all };
}

it("carries bytes both ways, past the end of the caller's input", async () => {
  play = (socket) => {
    let bytes = 0;
    socket.on("data", (data) => (bytes += data.length));
    socket.on("end", () => socket.end(`got ${bytes}`));
  };
  const { call, all } = dial();
  for (let i = 0; i < 64; i++) call.write({ data: Buffer.alloc(65_536) });
  call.end();
  expect((await all).toString()).toBe(`head,got ${64 * 65_536}`);
});

it("slows a runtime that says more than the caller reads", async () => {
  let written = 0;
  play = (socket) => {
    const piece = Buffer.alloc(65_536);
    const more = (): void => {
      while (written < 4096 && socket.write(piece)) written += 1;
    };
    socket.on("drain", more);
    socket.on("error", () => undefined);
    more();
  };
  const call = client.tunnel();
  call.on("error", () => undefined);
  call.write({ open: OPEN, data: NOTHING });
  call.once("data", () => call.pause());
  let before = -1;
  // The flow stops by itself once every buffer on the way is full.
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(512);
  call.cancel();
});

it("ends the runtime's side when the caller goes away", async () => {
  const closed = new Promise((resolve) => {
    play = (socket) =>
      socket
        .on("error", () => undefined)
        .on("close", resolve)
        .resume()
        .on("end", () => socket.end());
  });
  const { call, all } = dial();
  all.catch(() => undefined);
  await once(call, "data");
  call.cancel();
  await closed;
});

it("tells a refusal, and an error, before anything flows", async () => {
  source = async () => ({ status: 403, message: "no" });
  const call = client.tunnel();
  call.write({ open: OPEN, data: NOTHING });
  const [answer] = (await once(call, "data")) as [TunnelResponse];
  expect(answer.opened).toEqual({ status: 403, headers: [], message: "no" });
  source = () => Promise.reject(new TriremeError("NotFound", "gone"));
  const failed = dial();
  await expect(failed.all).rejects.toMatchObject({ details: "gone" } satisfies Partial<ServiceError>);
});
