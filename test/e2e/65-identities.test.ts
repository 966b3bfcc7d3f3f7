/**
 * Goal: an identity is what was agreed and nothing more, and it renews itself. A machine that asks for another name, another
 * group or other addresses than its own is refused by the join and by the renewal (A24). Method: a machine of our own that
 * joins the live cluster by its endpoints, honestly once and falsely in every way that we know.
 */
import { createUserSeed, publicKeyOfSeed } from "@trireme/bus";
import {
  JOIN_PATH,
  type NodeIdentity,
  RENEW_PATH,
  createRequest,
  createSigningKey,
  nodeIdentities,
  parseJoinToken,
} from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Identity, apiRequest } from "./api-request.ts";
import { type Any, adminCredentials, ensureCluster, kubectl, triOk, tryKubectl } from "./cluster.ts";

/** A machine that is none: nothing runs at this address. */
const NAME = "guest65";
const ADDRESS = "192.0.2.65";
/** The machine in whose name it asks. */
const VICTIM = "node1";

let admin: Awaited<ReturnType<typeof adminCredentials>>;
/** The guest's keys, by what they are for. */
let keys: { host: string; node: string; dns: string };
let token = "";

/** What may be asked for, as it is asked for honestly. */
const [NODE, DNS] = nodeIdentities(NAME, ADDRESS) as [NodeIdentity, NodeIdentity];

interface Asked {
  readonly certificates: Readonly<Record<string, string>>;
  readonly bus: Readonly<Record<string, string>>;
}

type Ask = (asked: Asked) => Promise<{ status: number; body: Any }>;

beforeAll(async () => {
  await ensureCluster();
  admin = await adminCredentials();
  keys = { host: await createSigningKey(), node: await createSigningKey(), dns: await createSigningKey() };
  const { id, secret } = parseJoinToken((await triOk("token", "create", "--role", "node")).trim());
  token = `${id}.${secret}`;
});
afterAll(async () => {
  await tryKubectl(["delete", "configmap", "-n", "kube-system", `trireme-host-${NAME}`, "--ignore-not-found"]);
  await triOk("token", "revoke", token.split(".")[0]!);
});

const join: Ask = async (asked) =>
  apiRequest(
    admin.server,
    { ca: admin.ca },
    {
      method: "POST",
      path: JOIN_PATH,
      body: {
        token,
        role: "node",
        name: NAME,
        address: ADDRESS,
        host: await createRequest({ cn: NAME }, keys.host),
        ...asked,
      },
    },
  );

const renewAs =
  (identity: Identity): Ask =>
  (asked) =>
    apiRequest(admin.server, identity, { method: "POST", path: RENEW_PATH, body: asked });

/** Asks for one certificate of the guest's with something else in it. */
async function request(changed: Partial<NodeIdentity>, groups: readonly string[] = [NODE.o]): Promise<Asked> {
  const { cn, sans } = { ...NODE, ...changed };
  return { certificates: { node: await createRequest({ cn, o: groups, sans }, keys.node) }, bus: {} };
}

/** Every false request, each with what the refusal has to name. */
async function falseRequests(): Promise<[asked: Asked, named: string][]> {
  const admins = await createRequest({ cn: "admin", o: "system:masters" }, keys.node);
  const seed = publicKeyOfSeed(createUserSeed());
  return [
    [
      await request({ cn: `system:node:${VICTIM}` }),
      `the name "system:node:${VICTIM}"; it may have "${NODE.cn}" alone`,
    ],
    [await request({ cn: "admin" }), `the name "admin"`],
    [await request({}, ["system:masters"]), `the group "system:masters"; it may have "system:nodes" alone`],
    [await request({}, ["system:nodes", "system:masters"]), `the group "system:masters"`],
    [await request({ cn: DNS.cn }), `the name "${DNS.cn}"`],
    [await request({ sans: [...NODE.sans, "192.0.2.1"] }), `the address or host name "192.0.2.1"`],
    [await request({ sans: ["kubernetes.default.svc"] }), `the address or host name "kubernetes.default.svc"`],
    [{ certificates: { admin: admins }, bus: {} }, `may not have the certificate "admin"`],
    [{ certificates: {}, bus: { controllers: seed } }, `may not have the bus identity "controllers"`],
  ];
}

async function expectRefused(ask: Ask): Promise<void> {
  for (const [asked, named] of await falseRequests()) {
    const { status, body } = await ask(asked);
    expect({ status, reason: body.reason, message: body.message }, named).toEqual({
      status: 403,
      reason: "Forbidden",
      message: expect.stringContaining(named) as string,
    });
    expect(body.message).toContain(`node "${NAME}"`);
  }
}

describe("a machine that asks to be more than it is (A24)", () => {
  it("is refused by the join, which leaves nothing of it behind", async () => {
    await expectRefused(join);
    expect(await kubectl("get", "configmaps", "-n", "kube-system", "-o", "name")).not.toContain(NAME);
  });

  it("is refused by the renewal, which serves the honest and nobody's other certificate", async () => {
    const honest = await request({});
    const joined = await join(honest);
    expect(joined.status, JSON.stringify(joined.body)).toBe(200);
    const own: Identity = { ca: admin.ca, cert: joined.body.certificates.node, key: keys.node };
    await expectRefused(renewAs(own));
    const renewed = await renewAs(own)(honest);
    expect(renewed.status, JSON.stringify(renewed.body)).toBe(200);
    expect(renewed.body.certificates.node).toContain("BEGIN CERTIFICATE");
    // Even an administrator's certificate is no machine's.
    const other = await renewAs({ ca: admin.ca, cert: admin.cert, key: admin.key })(honest);
    expect(other.status).toBe(403);
    expect(other.body.message).toContain('User "admin" is no node that has joined');
  });
});
