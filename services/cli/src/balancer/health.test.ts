import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, issue } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withConfigured } from "./app.ts";
import { HealthWatch } from "./health.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-health-"));
const caFile = join(dir, "ca.crt");
/** How the server answers now: a status, or never. */
let mode: number | "silent" = 503;
let server: Server;
let port = 0;

beforeAll(async () => {
  const ca = await createCa("health CA");
  const pair = await issue({ ca, cn: "server", sans: ["127.0.0.1"], server: true });
  writeFileSync(caFile, ca.cert);
  server = createServer(pair, (_, response) => {
    if (mode !== "silent") response.writeHead(mode).end("x");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

describe("HealthWatch", () => {
  it("takes a server in when it is ready, out when it hangs, and in again when it answers", async () => {
    const told: string[] = [];
    let wake = (): void => undefined;
    const next = (count: number): Promise<void> =>
      new Promise((resolve) => {
        wake = () => told.length >= count && resolve();
        wake();
      });
    const tell = (text: string): void => {
      told.push(text);
      wake();
    };
    const watch = new HealthWatch({
      servers: [{ name: "s", address: "127.0.0.1" }],
      port,
      caFile,
      listener: { onChange: (_, isIn) => tell(isIn ? "in" : "out"), onHang: () => tell("hangs") },
    });
    try {
      mode = 200;
      await next(1);
      expect(watch.isReady("s")).toBe(true);
      mode = "silent";
      await next(3);
      expect(watch.isReady("s")).toBe(false);
      mode = 200;
      // The hanging question is given up first.
      await next(4);
      mode = 503;
      await next(5);
      expect(told).toEqual(["in", "out", "hangs", "in", "out"]);
    } finally {
      watch.stop();
    }
  }, 15_000);
});

describe("the servers of a balancer", () => {
  const configured = [1, 2, 3].map((i) => ({ name: `server${i}`, address: `10.0.0.1${i}` }));
  it("are those that it was configured with, under their names, and those that came later", () => {
    const later = { name: "server4", address: "10.0.0.14" };
    // A list that knows no names yet, or not all servers, cuts nobody's connections.
    expect(withConfigured([{ name: "10.0.0.11", address: "10.0.0.11" }], configured)).toEqual(configured);
    expect(withConfigured([...configured, later], configured)).toEqual([...configured, later]);
  });
});
