import type { TLSSocket } from "node:tls";
import { TriremeError, hasCode } from "@trireme/base";
import { beforeEach, describe, expect, it } from "vitest";
import { delegatedJudge } from "./delegated-judge.ts";
import type { ApiClient } from "./types.ts";

const MASTER = { CN: "admin", O: ["system:masters", "others"] };
const SCRAPER = { CN: "prometheus", O: "scrapers" };

/** A caller as TLS shows it; without a subject it has no certificate. */
function socketOf(subject?: object, authorized = true): TLSSocket {
  const certificate = subject === undefined ? {} : { subject };
  const said = { getPeerCertificate: () => certificate, authorized, authorizationError: "CERT_HAS_EXPIRED" };
  return said as unknown as TLSSocket;
}

/** What the API was asked, and what it answers. */
let asked: { kind: string; spec: Record<string, unknown> }[];
let api: (kind: string, spec: Record<string, unknown>) => object | undefined;
let now: number;

const client = {
  raw: async (_method: string, _path: string, { body }: { body: { kind: string; spec: Record<string, unknown> } }) => {
    asked.push({ kind: body.kind, spec: body.spec });
    const status = api(body.kind, body.spec);
    if (status === undefined) throw new TriremeError("ServiceUnavailable", "nobody answers");
    return { status: 201, body: Buffer.from(JSON.stringify({ status })) };
  },
} as unknown as ApiClient;

const allows = (allowed: boolean) => () => ({ allowed });
const silent = (): undefined => undefined;

describe("who may read a page", () => {
  let judge: ReturnType<typeof delegatedJudge>;
  const ask = (socket: TLSSocket, authorization?: string, path = "/metrics"): Promise<string> =>
    Promise.resolve(judge({ socket, authorization, path })).then(
      () => "in",
      (error: TriremeError) => error.code,
    );

  beforeEach(() => {
    asked = [];
    now = 0;
    api = allows(true);
    judge = delegatedJudge(client, () => now);
  });

  it("is decided by the API, of the certificate's user with all its groups, and of the path", async () => {
    expect(await ask(socketOf({ CN: ["prometheus"], O: ["a", "b"] }))).toBe("in");
    const spec = { user: "prometheus", groups: ["a", "b", "system:authenticated"] };
    const nonResourceAttributes = { verb: "get", path: "/metrics" };
    expect(asked).toEqual([{ kind: "SubjectAccessReview", spec: { ...spec, nonResourceAttributes } }]);
    api = allows(false);
    expect(await ask(socketOf(SCRAPER))).toBe("Forbidden");
  });

  it("is nobody without a valid certificate or a token: the API is not asked", async () => {
    expect(await ask(socketOf())).toBe("Unauthorized");
    expect(await ask(socketOf(), "Basic dTpw")).toBe("Unauthorized");
    expect(await ask(socketOf(MASTER, false))).toBe("Unauthorized");
    // An invalid certificate is not made good by a token.
    expect(await ask(socketOf(SCRAPER, false), "Bearer good")).toBe("Unauthorized");
    expect(await ask(socketOf({ O: "system:masters" }))).toBe("Unauthorized");
    expect(asked).toEqual([]);
  });

  it("are the masters, whether or not the API answers", async () => {
    api = silent;
    expect([await ask(socketOf(MASTER)), asked]).toEqual(["in", []]);
  });

  it("is found out for tokens by a TokenReview first", async () => {
    const user = { username: "system:serviceaccount:m:p", uid: "7", groups: ["system:serviceaccounts"] };
    api = (kind, { token, user: name }) =>
      kind === "TokenReview" ? { authenticated: token === "good", user } : { allowed: name === user.username };
    expect(await ask(socketOf(), "bearer good")).toBe("in");
    expect(asked[1]!.spec).toMatchObject({ user: user.username, uid: "7", groups: user.groups });
    expect(await ask(socketOf(), "Bearer bad")).toBe("Unauthorized");
  });

  it("is remembered: a yes for 30 s, a no for 5 s, each for its caller and path alone", async () => {
    await ask(socketOf(SCRAPER));
    now = 30_000;
    await ask(socketOf(SCRAPER));
    expect(asked).toHaveLength(1);
    await ask(socketOf(SCRAPER), undefined, "/metrics/cadvisor");
    await ask(socketOf({ ...SCRAPER, O: "others" }));
    expect(asked).toHaveLength(3);
    now = 30_001;
    api = allows(false);
    expect(await ask(socketOf(SCRAPER))).toBe("Forbidden");
    now = 35_001;
    api = allows(true);
    expect(await ask(socketOf(SCRAPER))).toBe("Forbidden");
    now = 35_002;
    expect(await ask(socketOf(SCRAPER))).toBe("in");
  });

  it("stays in for ten minutes when no API answers; others are told to try again", async () => {
    await ask(socketOf(SCRAPER));
    api = silent;
    now = 600_000;
    expect(await ask(socketOf(SCRAPER))).toBe("in");
    expect(await ask(socketOf({ CN: "stranger" }))).toBe("ServiceUnavailable");
    now = 600_001;
    expect(await ask(socketOf(SCRAPER))).toBe("ServiceUnavailable");
  });

  it("is not let in again by silence after a no", async () => {
    api = allows(false);
    await ask(socketOf(SCRAPER));
    api = silent;
    now = 6_000;
    expect(await ask(socketOf(SCRAPER))).toBe("ServiceUnavailable");
  });

  it("is remembered for a bounded number of callers, the oldest first forgotten", async () => {
    for (let i = 0; i <= 256; i++) await ask(socketOf({ CN: `c${i}` }));
    expect(asked).toHaveLength(257);
    await ask(socketOf({ CN: "c256" }));
    expect(asked).toHaveLength(257);
    await ask(socketOf({ CN: "c0" }));
    expect(asked).toHaveLength(258);
  });

  it("never shows a token in an error", async () => {
    api = silent;
    const error = await Promise.resolve(
      judge({ socket: socketOf(), authorization: "Bearer secret-token", path: "/" }),
    ).catch((thrown: unknown) => thrown);
    expect(hasCode(error, "ServiceUnavailable")).toBe(true);
    expect(String(error)).not.toContain("secret-token");
  });
});
