import { request } from "node:https";
import { type TLSSocket, connect } from "node:tls";
import { TriremeError } from "@trireme/base";
import { type Ca, createCa, issue } from "@trireme/pki";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { MetricsServer, type MetricsServerOptions, type ServingTls } from "./metrics-server.ts";
import { silentLogger } from "./log.ts";

const ADDRESS = "127.0.0.1";
/** Any test's server; each listens on a port that was free a moment ago. */
let port = 0;
let ca: Ca;
let tls: ServingTls;
const servers: MetricsServer[] = [];

beforeAll(async () => {
  ca = await createCa("metrics");
  tls = { ca: ca.cert, ...(await issue({ ca, cn: "first", sans: [ADDRESS], server: true })) };
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(options: Partial<MetricsServerOptions> = {}): Promise<void> {
  const server = new MetricsServer({
    tls,
    pages: new Map([["/metrics", async () => "tri_x 1\n"]]),
    problems: () => [],
    judge: async () => undefined,
    log: silentLogger,
    ...options,
  });
  await server.listen(0, ADDRESS);
  servers.push(server);
  port = server.port;
}

function ask(path: string, method = "GET", headers: Record<string, string> = {}): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: ADDRESS, port, path, method, headers, ca: ca.cert, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      answer.on("end", () => resolve([answer.statusCode ?? 0, text]));
    });
    asked.on("error", reject);
    asked.end();
  });
}

function served(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: ADDRESS, port, ca: ca.cert }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

describe("MetricsServer", () => {
  it("serves pages to whom the judge admits, and tells the others why not", async () => {
    const asked: string[] = [];
    await serve({
      judge: async ({ path, authorization }) => {
        asked.push(`${path} ${authorization}`);
        if (authorization === undefined) throw new TriremeError("Unauthorized", "who are you?");
        if (authorization === "Bearer poor") throw new TriremeError("Forbidden", "not you");
        if (authorization === "Bearer lost") throw new TriremeError("ServiceUnavailable", "nobody to ask");
      },
    });
    expect(await ask("/metrics?x=1", "GET", { authorization: "Bearer good" })).toEqual([200, "tri_x 1\n"]);
    expect(await ask("/metrics")).toEqual([401, "who are you?\n"]);
    expect(await ask("/metrics", "GET", { authorization: "Bearer poor" })).toEqual([403, "not you\n"]);
    expect(await ask("/metrics", "GET", { authorization: "Bearer lost" })).toEqual([503, "nobody to ask\n"]);
    // What is not there is told to those alone who might read it.
    expect((await ask("/other"))[0]).toBe(401);
    expect(await ask("/other", "GET", { authorization: "Bearer good" })).toEqual([
      404,
      "not found; there are /metrics, /livez, /readyz and /healthz\n",
    ]);
    expect(asked[0]).toBe("/metrics Bearer good");
  });

  it("tells everybody its health and takes nothing but questions", async () => {
    let problems: string[] = ["no leader", "no disk"];
    await serve({ problems: () => problems, judge: () => Promise.reject(new Error("nobody")) });
    expect(await ask("/livez")).toEqual([200, "ok"]);
    expect(await ask("/readyz")).toEqual([500, "no leader\nno disk\n"]);
    problems = [];
    expect(await ask("/healthz")).toEqual([200, "ok"]);
    expect((await ask("/livez", "POST"))[0]).toBe(405);
  });

  it("is down for a page that does not answer, and says no more than that where it is its own fault", async () => {
    await serve({
      pages: new Map([
        ["/away", () => Promise.reject(new TriremeError("ServiceUnavailable", "the store does not answer"))],
        ["/broken", () => Promise.reject(new Error("secret detail"))],
      ]),
    });
    expect(await ask("/away")).toEqual([503, "the store does not answer\n"]);
    const [code, text] = await ask("/broken");
    expect(code).toBe(500);
    expect(text).not.toContain("secret");
  });

  it("shows a renewed certificate to new connections", async () => {
    let now = tls;
    let tell = (): void => {};
    let following = true;
    await serve({
      tls: {
        get ca() {
          return now.ca;
        },
        get cert() {
          return now.cert;
        },
        get key() {
          return now.key;
        },
        onChange: (listener) => {
          tell = listener;
          return () => void (following = false);
        },
      },
    });
    expect(await served()).toBe("first");
    now = { ca: ca.cert, ...(await issue({ ca, cn: "second", sans: [ADDRESS], server: true })) };
    expect(await served()).toBe("first");
    tell();
    expect(await served()).toBe("second");
    expect(await ask("/livez")).toEqual([200, "ok"]);
    await servers.pop()!.close();
    expect(following).toBe(false);
  });
});
