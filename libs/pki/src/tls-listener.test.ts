import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import { type TLSSocket, connect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type Ca, type TlsFiles, TlsListener, type TlsListenerOptions, createCa, issue } from "./index.ts";

/** Where nobody else calls from: an address of its own, and a port that the kernel gives to nobody. */
const CALLER = { localAddress: "127.77.0.1", localPort: 20_077 };

const open: TlsListener[] = [];
afterEach(() => {
  for (const listener of open.splice(0)) {
    listener.close();
    listener.cut();
  }
});

/** Files that can be renewed. */
class Files implements TlsFiles {
  private listener = (): void => {};
  ca = Buffer.alloc(0);
  cert = Buffer.alloc(0);
  key = Buffer.alloc(0);

  async renew(ca: Ca, cn: string): Promise<void> {
    const pair = await issue({ ca, cn, sans: ["127.0.0.1", "127.0.0.2"], server: true });
    Object.assign(this, { ca: Buffer.from(ca.cert), cert: Buffer.from(pair.cert), key: Buffer.from(pair.key) });
    this.listener();
  }

  onChange(listener: () => void): void {
    this.listener = listener;
  }
}

async function listenerOf(options: Partial<TlsListenerOptions>) {
  const ca = await createCa("doors");
  const files = new Files();
  await files.renew(ca, "first");
  const taken: TLSSocket[] = [];
  const problems: string[] = [];
  const listener = new TlsListener({
    files,
    strangers: "refused",
    take: (socket) => void taken.push(socket),
    onProblem: (what) => void problems.push(what),
    ...options,
  });
  open.push(listener);
  const port = await listener.listen(0, "0.0.0.0");
  /** A caller with a certificate of this authority, or none; the answer when it is connected. */
  const call = async (authority?: Ca, from: Partial<typeof CALLER> = {}, host = "127.0.0.1"): Promise<TLSSocket> => {
    const pair = authority && (await issue({ ca: authority, cn: "caller", client: true }));
    const socket = connect({
      ...{ host, port, ...from },
      ca: ca.cert,
      ALPNProtocols: ["h2"],
      cert: pair?.cert,
      key: pair?.key,
    });
    await once(socket, "secureConnect");
    return socket;
  };
  return { ca, files, taken, problems, listener, port, call };
}

describe("TlsListener", () => {
  it("hands over connections with their caller's certificate, known by their peer until they close", async () => {
    const { ca, taken, listener, call } = await listenerOf({});
    const caller = await call(ca);
    await expect.poll(() => taken.length).toBe(1);
    expect(taken[0]!.getPeerCertificate().subject.CN).toBe("caller");
    expect(taken[0]!.getPeerCertificate()).toBe(taken[0]!.getPeerCertificate());
    const peer = `127.0.0.1:${caller.localPort}`;
    expect(listener.socketOf(peer)).toBe(taken[0]);
    listener.cut();
    await once(caller, "close");
    await expect.poll(() => listener.socketOf(peer)).toBeUndefined();
  });

  it("takes no second connection whose calls gRPC could not tell from another's", async () => {
    const { ca, taken, problems, listener, call } = await listenerOf({});
    await call(ca, CALLER);
    await expect.poll(() => taken.length).toBe(1);
    // The same address and port of the caller, to another address of ours.
    const second = await call(ca, CALLER, "127.0.0.2");
    await Promise.race([once(second, "error"), once(second, "close")]);
    expect([taken.length, problems]).toEqual([1, ["connection refused"]]);
    expect(listener.socketOf(`${CALLER.localAddress}:${CALLER.localPort}`)).toBe(taken[0]);
  });

  it("refuses strangers in the handshake, or admits them as what they are", async () => {
    const foreign = await createCa("foreign");
    const strict = await listenerOf({});
    for (const authority of [undefined, foreign]) {
      const stranger = await strict.call(authority);
      await Promise.race([once(stranger, "error"), once(stranger, "close")]);
    }
    expect(strict.taken).toEqual([]);
    expect(strict.problems).toEqual(["tls handshake failed", "tls handshake failed"]);
    const lenient = await listenerOf({ strangers: "admitted" });
    const guest = await lenient.call(foreign);
    await expect.poll(() => lenient.taken.length).toBe(1);
    expect(lenient.taken[0]!.authorized).toBe(false);
    guest.destroy();
  });

  it("cuts off who connects and then says nothing", async () => {
    const { port, problems, taken } = await listenerOf({ handshakeTimeoutMs: 50 });
    const silent = connectPlain(port, "127.0.0.1").resume();
    await once(silent, "close");
    expect([problems, taken]).toEqual([["tls handshake failed"], []]);
  });

  it("shows new callers what its files have become", async () => {
    const { ca, files, call } = await listenerOf({});
    const before = await call(ca);
    await files.renew(ca, "second");
    const after = await call(ca);
    expect([before, after].map((socket) => socket.getPeerCertificate().subject.CN)).toEqual(["first", "second"]);
    before.destroy();
    after.destroy();
  });
});
