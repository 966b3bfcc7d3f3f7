import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Forwarder, type Target } from "./forwarder.ts";

const servers: Server[] = [];
const sockets: Socket[] = [];
const forwarders: Forwarder[] = [];

afterEach(() => {
  for (const forwarder of forwarders.splice(0)) forwarder.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers each line with its name and the line, and says goodbye when the client half-closes. */
async function echo(name: string): Promise<Target> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("data", (data) => socket.write(`${name}:${String(data)}`));
    socket.on("end", () => socket.end("bye"));
    socket.on("error", () => undefined);
  });
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { key: name, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

async function forward(
  targets: readonly Target[] | (() => readonly Target[]),
  failures: string[] = [],
): Promise<{ forwarder: Forwarder; port: number }> {
  const forwarder = new Forwarder({
    targets: typeof targets === "function" ? targets : () => targets,
    connectTimeoutMs: 500,
    onConnectFailure: (target) => void failures.push(target.key),
  });
  forwarders.push(forwarder);
  const port = await forwarder.listen(0, "127.0.0.1");
  return { forwarder, port };
}

function dial(port: number): { socket: Socket; received: Promise<string> } {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  sockets.push(socket);
  let text = "";
  socket.on("data", (data) => void (text += String(data)));
  socket.on("error", () => undefined);
  return { socket, received: new Promise((resolve) => socket.on("close", () => resolve(text))) };
}

describe("Forwarder", () => {
  it("carries bytes both ways and passes a half-close on", async () => {
    const { port } = await forward([await echo("a")]);
    const { socket, received } = dial(port);
    socket.write("hello ");
    socket.once("data", () => socket.end());
    expect(await received).toBe("a:hello bye");
  });

  it("carries much more than a buffer holds", async () => {
    const big = Buffer.alloc(8 * 1024 * 1024, "x");
    const server = createServer((socket) => socket.end(big));
    servers.push(server);
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const target = { key: "big", host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const { port } = await forward([target]);
    const { socket, received } = dial(port);
    socket.on("end", () => socket.end());
    expect((await received).length).toBe(big.length);
  });

  it("tries the next target when one refuses, before any byte is lost", async () => {
    const refusing = { key: "dead", host: "127.0.0.1", port: 1 };
    const failures: string[] = [];
    const { port } = await forward([refusing, await echo("b")], failures);
    const { socket, received } = dial(port);
    socket.write("x");
    socket.once("data", () => socket.end());
    expect(await received).toBe("b:xbye");
    expect(failures).toEqual(["dead"]);
  });

  it("resets a client when nobody accepts", async () => {
    const { port } = await forward([{ key: "dead", host: "127.0.0.1", port: 1 }]);
    expect(await dial(port).received).toBe("");
  });

  it("cuts connections to one backend and leaves the others", async () => {
    const turns = [await echo("a"), await echo("b")];
    const { forwarder, port } = await forward(() => turns.splice(0, 1));
    const first = dial(port);
    await new Promise((resolve) => first.socket.write("1", () => first.socket.once("data", resolve)));
    const second = dial(port);
    await new Promise((resolve) => second.socket.write("2", () => second.socket.once("data", resolve)));
    forwarder.cut("a");
    await first.received;
    second.socket.write("3");
    second.socket.once("data", () => second.socket.end());
    expect(await second.received).toBe("b:2b:3bye");
  });
});
