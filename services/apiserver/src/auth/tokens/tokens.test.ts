/** ServiceAccounts' tokens, from the request to the user; and attack A6: everything that only looks like one. */
import { createHmac, generateKeyPairSync } from "node:crypto";
import { ManualClock } from "@trireme/base";
import {
  CONFIGMAPS,
  type KubeObject,
  PODS,
  type Pod,
  type Resource,
  SERVICEACCOUNTS,
  type TokenRequest,
  TOKENREVIEWS,
} from "@trireme/api";
import { createMemoryStore } from "@trireme/store-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, type Fixture, KEYS, callerNamed, podNamed, startPipeline } from "../../fixture.ts";
import { signToken, tokenKeyFromPem } from "./jwt.ts";
import { ISSUER } from "./token-authority.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const account = { resource: SERVICEACCOUNTS as Resource, namespace: "default", name: "robot" };

let fixture: Fixture;
let clock: ManualClock;
beforeEach(async () => {
  clock = new ManualClock(NOW);
  fixture = await startPipeline(createMemoryStore(), clock, "PEM");
  await fixture.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } });
});
afterEach(() => fixture.stop());

const request = async (spec: object = {}, caller = ADMIN, of = account): Promise<TokenRequest> =>
  (await fixture.pipeline.create(caller, { ...of, subresource: "token" }, { spec }, {})).object as TokenRequest;
const tokenFor = async (spec?: object): Promise<string> => (await request(spec)).status!.token!;

interface Told {
  authenticated?: boolean;
  error?: string;
  user: { username?: string; uid?: string; groups?: string[]; extra?: object };
  audiences?: string[];
}
const review = async (token: string, audiences?: string[]): Promise<Told> => {
  const body = { spec: { token, ...(audiences === undefined ? {} : { audiences }) } };
  const { object } = await fixture.pipeline.create(ADMIN, { resource: TOKENREVIEWS as Resource }, body, {});
  return (object as KubeObject & { status: Told }).status;
};
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as Record<string, unknown>;

async function podOf(name: string, nodeName = "n1", serviceAccountName = "robot"): Promise<Pod> {
  const spec = { containers: [{ name: "c", image: "x" }], nodeName, serviceAccountName };
  return (await fixture.create({ ...podNamed(name), spec } as KubeObject)) as Pod;
}
const boundTo = ({ metadata }: KubeObject): object => ({
  boundObjectRef: { apiVersion: "v1", kind: "Pod", name: metadata.name, uid: metadata.uid },
});

describe("a token", () => {
  it("says what Kubernetes' says", async () => {
    const { status, spec } = await request({ expirationSeconds: 1200 });
    expect([spec.audiences, spec.expirationSeconds]).toEqual([[ISSUER], 1200]);
    expect(status!.expirationTimestamp).toBe("2026-11-22T10:20:00Z");
    const { uid } = (await fixture.pipeline.get(ADMIN, account)).object.metadata;
    expect(claimsOf(status!.token!)).toEqual({
      aud: [ISSUER],
      exp: NOW / 1000 + 1200,
      iat: NOW / 1000,
      iss: ISSUER,
      jti: expect.any(String),
      "kubernetes.io": { namespace: "default", serviceaccount: { name: "robot", uid } },
      nbf: NOW / 1000,
      sub: "system:serviceaccount:default:robot",
    });
  });

  it("proves to be its account", async () => {
    const pod = await podOf("p");
    const { authenticated, user, audiences } = await review(await tokenFor(boundTo(pod)));
    expect([authenticated, audiences]).toEqual([true, [ISSUER]]);
    expect(user).toMatchObject({
      username: "system:serviceaccount:default:robot",
      groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
      extra: {
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": [pod.metadata.uid],
      },
    });
  });

  it("lasts from ten minutes on", async () => {
    await expect(request({ expirationSeconds: 599 })).rejects.toThrow(
      "may not specify a duration less than 10 minutes",
    );
    await expect(request({ expirationSeconds: 2 ** 32 + 1 })).rejects.toThrow("larger than 2^32 seconds");
  });

  it("is for accounts and objects that are there", async () => {
    await expect(request({}, ADMIN, { ...account, name: "none" })).rejects.toMatchObject({ code: "NotFound" });
    const pod = await podOf("p");
    const other = { boundObjectRef: { kind: "Pod", name: "p", uid: "another" } };
    await expect(request(other)).rejects.toThrow("does not match the UID in record");
    const default_ = { ...account, name: "default" };
    await expect(request(boundTo(pod), ADMIN, default_)).rejects.toThrow("different serviceaccount name");
    await expect(request({ boundObjectRef: { kind: "Deployment", name: "d" } })).rejects.toThrow("cannot bind token");
  });

  it("is made by a node for its own pods alone", async () => {
    const node = callerNamed("system:node:n1", "system:nodes");
    const [own, others] = [await podOf("own"), await podOf("others", "n2")];
    expect((await request(boundTo(own), node)).status!.token).toBeDefined();
    await expect(request({}, node)).rejects.toThrow("node requested token not bound to a pod");
    await expect(request({ boundObjectRef: { kind: "Pod", name: "own" } }, node)).rejects.toThrow("without a uid");
    await expect(request(boundTo(others), node)).rejects.toThrow("scheduled on a different node");
    await expect(request(boundTo(own), callerNamed("ann"))).rejects.toMatchObject({ code: "Forbidden" });
  });
});

describe("what is refused (A6)", () => {
  const why = async (token: string, audiences?: string[]): Promise<string | undefined> => {
    const { authenticated, error } = await review(token, audiences);
    expect(authenticated).toBeUndefined();
    return error?.replace("invalid bearer token: ", "");
  };

  it("is a token past its time, or before it", async () => {
    const token = await tokenFor({ expirationSeconds: 600 });
    clock.advance(599_000);
    expect((await review(token)).authenticated).toBe(true);
    clock.advance(1000);
    expect(await why(token)).toBe("the token has expired");
    const early = signToken(KEYS.signing, { ...claimsOf(await tokenFor()), nbf: clock.now() / 1000 + 60 });
    expect(await why(early)).toBe("the token is not valid yet");
  });

  it("is a token for somebody else", async () => {
    const token = await tokenFor({ audiences: ["vault"] });
    expect(await why(token)).toBe("the token is for another audience");
    expect(await review(token, ["vault", "other"])).toMatchObject({ authenticated: true, audiences: ["vault"] });
    expect(await why(signToken(KEYS.signing, { ...claimsOf(token), iss: "https://elsewhere" }), ["vault"])).toBe(
      "another issuer's token",
    );
  });

  it("is a token whose pod has gone, or is another of its name", async () => {
    const pod = await podOf("p");
    const token = await tokenFor(boundTo(pod));
    const at = { resource: PODS as Resource, namespace: "default", name: "p" };
    await fixture.pipeline.delete(ADMIN, at, {});
    // It ends, and may tell the API so.
    expect((await review(token)).authenticated).toBe(true);
    clock.advance(30_000 + 61_000);
    expect(await why(token)).toBe("its pod has been deleted");
    await fixture.pipeline.delete(ADMIN, at, { gracePeriodSeconds: 0 });
    await podOf("p");
    expect(await why(token)).toBe("its pod has been deleted");
  });

  it("is a token whose account has gone, or is another of its name", async () => {
    const token = await tokenFor();
    await fixture.pipeline.delete(ADMIN, account, {});
    expect(await why(token)).toBe("its service account has been deleted");
    await fixture.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } });
    expect(await why(token)).toBe("its service account has been deleted");
  });

  it("is everything that we did not sign, whatever it says of itself", async () => {
    const [head, body, mark] = (await tokenFor()).split(".") as [string, string, string];
    const kid = KEYS.signing.id;
    const publicPem = KEYS.signing.publicKey.export({ type: "spki", format: "pem" });
    const mac = (key: string | Buffer, content: string): string =>
      createHmac("sha256", key).update(content).digest("base64url");
    const none = part({ alg: "none", kid });
    const hs256 = part({ alg: "HS256", kid, typ: "JWT" });
    const other = tokenKeyFromPem(
      generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }) as string,
      "another",
    );
    const claims = claimsOf(`${head}.${body}.${mark}`);
    const forged = [
      `${none}.${body}.`,
      `${none}.${body}.${mark}`,
      `${part({ alg: "None", kid })}.${body}.`,
      `${hs256}.${body}.${mac(publicPem, `${hs256}.${body}`)}`,
      `${hs256}.${body}.${mac(KEYS.signing.publicKey.export({ type: "spki", format: "der" }), `${hs256}.${body}`)}`,
      `${head}.${part({ ...claims, sub: "system:serviceaccount:kube-system:root" })}.${mark}`,
      `${head}.${body}.`,
      `${head}.${body}.${Buffer.alloc(64).toString("base64url")}`,
      `${head}.${body}.${mark}.${mark}`,
      signToken(other, claims),
      signToken({ ...other, id: kid }, claims),
      // Signed by us, and yet not of the form that we issue.
      signToken(KEYS.signing, { ...claims, sub: "system:admin" }),
      signToken(KEYS.signing, { ...claims, "kubernetes.io": undefined }),
      signToken(KEYS.signing, { ...claims, "kubernetes.io": { ...(claims["kubernetes.io"] as object), pod: "p" } }),
      "..",
      "",
      "x".repeat(20_000),
    ];
    for (const token of forged)
      expect([token.slice(0, 60), await why(token)]).toEqual([token.slice(0, 60), "not a token of this cluster"]);
  });
});

describe("keys", () => {
  it("are EC P-256, or named in the error", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" });
    expect(() => tokenKeyFromPem(rsa as string, "/pki/sa.key")).toThrow("/pki/sa.key holds no EC P-256 key");
    expect(() => tokenKeyFromPem("nonsense", "/pki/sa.key")).toThrow("/pki/sa.key holds no key");
  });
});

describe("a new pod", () => {
  const MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
  const make = async (spec: object): Promise<Pod> => {
    const containers = [{ name: "c", image: "x" }];
    return (await fixture.create({
      ...podNamed(`p${Math.random()}`),
      spec: { containers, ...spec },
    } as KubeObject)) as Pod;
  };

  it("carries its account's token, the API's CA and its namespace", async () => {
    const { spec } = await make({ initContainers: [{ name: "i", image: "x" }] });
    const [volume] = spec.volumes!;
    expect([spec.serviceAccountName, volume!.name]).toEqual([
      "default",
      expect.stringMatching(/^kube-api-access-[a-z0-9]{5}$/),
    ]);
    expect(volume!.projected!.sources!.map((source) => Object.keys(source)[0])).toEqual([
      "serviceAccountToken",
      "configMap",
      "downwardAPI",
    ]);
    const mount = { name: volume!.name, mountPath: MOUNT, readOnly: true };
    for (const container of [...spec.containers, ...spec.initContainers!]) {
      expect(container.volumeMounts).toEqual([expect.objectContaining(mount)]);
    }
  });

  it("carries none when it or its account says so, or brings its own", async () => {
    expect((await make({ automountServiceAccountToken: false })).spec.volumes).toBeUndefined();
    const quiet = {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "quiet" },
      automountServiceAccountToken: false,
    };
    await fixture.create(quiet as KubeObject);
    expect((await make({ serviceAccountName: "quiet" })).spec.volumes).toBeUndefined();
    expect((await make({ serviceAccountName: "quiet", automountServiceAccountToken: true })).spec.volumes).toHaveLength(
      1,
    );
    const own = [{ name: "c", image: "x", volumeMounts: [{ name: "own", mountPath: MOUNT }] }];
    const volumes = [{ name: "own", emptyDir: {} }];
    expect((await make({ containers: own, volumes })).spec.volumes).toHaveLength(1);
  });

  it("needs an account that is there", async () => {
    await expect(make({ serviceAccountName: "none" })).rejects.toThrow(
      /pods "p.*" is forbidden: error looking up service account default\/none: serviceaccount "none" not found/,
    );
  });

  it("finds both in a namespace that was just made", async () => {
    await fixture.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "team" } });
    const pod = { ...podNamed("p"), metadata: { name: "p", namespace: "team" } } as KubeObject;
    expect(((await fixture.create(pod)) as Pod).spec.serviceAccountName).toBe("default");
    const maps = await fixture.pipeline.list(ADMIN, { resource: CONFIGMAPS as Resource, namespace: "team" }, {});
    expect(maps.items.map((one) => one.object.metadata.name)).toEqual(["kube-root-ca.crt"]);
  });
});
