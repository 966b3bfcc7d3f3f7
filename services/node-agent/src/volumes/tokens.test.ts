import type { Pod } from "@trireme/api";
import { ManualClock, TriremeError } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { silentLogger } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { apiTokenSource, carriesTokens, isDue, tokenRequestOf } from "./tokens.ts";

const pod = {
  metadata: { name: "p", namespace: "team", uid: "u1" },
  spec: {
    serviceAccountName: "robot",
    containers: [],
    volumes: [{ name: "v", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }],
  },
} as unknown as Pod;
const HOUR = 3600_000;

describe("a pod's token", () => {
  it("is bound to the pod, for whom and how long it is wanted", () => {
    const bound = { apiVersion: "v1", kind: "Pod", name: "p", uid: "u1" };
    expect(tokenRequestOf(pod, { path: "t" }).spec).toEqual({ boundObjectRef: bound });
    expect(tokenRequestOf(pod, { path: "t", audience: "vault", expirationSeconds: 600 }).spec).toEqual({
      audiences: ["vault"],
      expirationSeconds: 600,
      boundObjectRef: bound,
    });
  });

  it("is due after four fifths of its life, or a day", () => {
    const hour = { token: "", issuedMs: 0, expiresMs: HOUR };
    expect([0.79, 0.8].map((share) => isDue(hour, share * HOUR))).toEqual([false, true]);
    const year = { token: "", issuedMs: 0, expiresMs: 8760 * HOUR };
    expect([23, 24].map((hours) => isDue(year, hours * HOUR))).toEqual([false, true]);
  });

  it("is kept until it is due, and while the API is away until it ends", async () => {
    const clock = new ManualClock(0);
    const asked: string[] = [];
    let isAway = false;
    const client = {
      resource: (_: unknown, namespace: string) => ({
        subresource: async (_method: string, name: string, what: string) => {
          asked.push(`${namespace}/${name}/${what}`);
          if (isAway) throw new TriremeError("ServiceUnavailable", "away");
          const expirationTimestamp = new Date(clock.now() + HOUR).toISOString();
          return { status: { token: `t${asked.length}`, expirationTimestamp } };
        },
      }),
    } as unknown as ApiClient;
    const source = apiTokenSource(client, clock, silentLogger);
    const get = (): Promise<string> => source.get(pod, { path: "token" });
    expect([await get(), await get()]).toEqual(["t1", "t1"]);
    expect(asked).toEqual(["team/robot/token"]);
    clock.advance(0.85 * HOUR);
    isAway = true;
    expect(await get()).toBe("t1");
    isAway = false;
    expect(await get()).toBe("t3");
    isAway = true;
    clock.advance(HOUR);
    await expect(get()).rejects.toThrow("away");
  });

  it("is looked after where a pod carries one", () => {
    expect(carriesTokens(pod)).toBe(true);
    expect(carriesTokens({ ...pod, spec: { ...pod.spec, volumes: [{ name: "v", emptyDir: {} }] } })).toBe(false);
  });
});
