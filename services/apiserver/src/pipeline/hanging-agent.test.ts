/** Goal: an agent that takes a request and says nothing keeps nobody for ever (A28). Method: one that does, in plain gRPC. */
import { Server, ServerCredentials, credentials } from "@grpc/grpc-js";
import { NodeServiceClient, NodeServiceService } from "@trireme/proto/trireme/node/v1/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podNamed } from "../fixture.ts";
import { PodLogs } from "./pod-logs.ts";
import { PodStreams } from "./pod-streams.ts";

const PATIENCE_MS = 500;

let agent: Server;
let client: NodeServiceClient;
let cancelled = 0;
let ends = false;

beforeAll(async () => {
  const take = (call: { on(event: "cancelled", listener: () => void): unknown; end(): void }): void => {
    call.on("cancelled", () => (cancelled += 1));
    if (ends) call.end();
  };
  agent = new Server();
  agent.addService(NodeServiceService, { tunnel: take, logs: take });
  const port = await new Promise<number>((resolve, reject) => {
    agent.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  client = new NodeServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 20_000, (error) => (error ? reject(error) : resolve()));
  });
});
afterAll(() => {
  client.close();
  agent.forceShutdown();
});

const pod = podNamed("p", { nodeName: "n" });
const agents = { of: async () => client };
const open = (): Promise<unknown> => {
  const head = { method: "POST", headers: { upgrade: ["SPDY/3.1"] } };
  const query = new URLSearchParams({ command: "id", stdout: "1" });
  const withIds = { ...pod, metadata: { ...pod.metadata, namespace: "default", uid: "u" } };
  return new PodStreams(agents, PATIENCE_MS).open(withIds, "exec", query, head, new AbortController().signal);
};
const read = (): Promise<unknown> => {
  const withIds = { ...pod, metadata: { ...pod.metadata, namespace: "default", uid: "u" } };
  return new PodLogs(agents, PATIENCE_MS).open(withIds, new URLSearchParams(), new AbortController().signal);
};

describe("an agent that takes a request and says nothing", () => {
  it.each([
    ["a stream", open],
    ["a log", read],
  ])("is given up on, and told so: %s", async (_, ask) => {
    const before = cancelled;
    await expect(ask()).rejects.toMatchObject({
      code: "BadGateway",
      message: expect.stringContaining('node "n" took the request'),
    });
    await expect.poll(() => cancelled).toBe(before + 1);
  });

  it("is not waited for when it ends the stream before it began", async () => {
    ends = true;
    await expect(open()).rejects.toMatchObject({ code: "BadGateway" });
  });
});
