/**
 * Goal: an identity is what was agreed and nothing more, and it renews itself. A machine that asks for another name, another
 * group or other addresses than its own is refused by the join and by the renewal (A24). A node's identities near their end are
 * renewed and served without a restart, a broken stream or a lost connection. Method: a machine of our own that joins the live
 * cluster by its endpoints, honestly once and falsely in every way that we know; a node's files are replaced by such that end soon.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { createUserSeed, nodePermissions, publicKeyOfSeed, readClaims, signUser } from "@trireme/bus";
import {
  JOIN_PATH,
  type NodeIdentity,
  RENEW_PATH,
  createRequest,
  createSigningKey,
  nodeIdentities,
  parseJoinToken,
  publicKeyOf,
  readCa,
  sharedFolderOf,
  sign,
  writePrivateFile,
} from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Identity, apiRequest } from "./api-request.ts";
import {
  type Any,
  CLUSTER,
  type ClusterStatus,
  adminCredentials,
  applyText,
  containerTask,
  ensureCluster,
  getJson,
  isReady,
  kubectl,
  status as clusterStatus,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, within } from "./process.ts";

/** A machine that is none: nothing runs at this address. */
const NAME = "guest65";
const ADDRESS = "192.0.2.65";
/** The machine in whose name it asks. */
const VICTIM = "node1";

const NS = "identities65";
/** Whose identities are renewed. */
const RENEWED = "node3";
const POD = `
apiVersion: v1
kind: Pod
metadata: { name: talker, namespace: ${NS} }
spec:
  nodeName: ${RENEWED}
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: trireme.local/hello:1
`;
/** How soon what is put in place of a node's identities is due. */
const DUE_IN_MS = 3_000;

let now: ClusterStatus;
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
  now = await ensureCluster();
  admin = await adminCredentials();
  keys = { host: await createSigningKey(), node: await createSigningKey(), dns: await createSigningKey() };
  const { id, secret } = parseJoinToken((await triOk("token", "create", "--role", "node")).trim());
  token = `${id}.${secret}`;
});
afterAll(async () => {
  await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--wait=false"]);
  await tryKubectl(["delete", "configmap", "-n", "kube-system", `trireme-host-${NAME}`, "--ignore-not-found"]);
  await triOk("token", "revoke", token.split(".")[0]!);
});

const joinAs =
  (name: string, address: string, withToken = () => token): Ask =>
  async (asked) => {
    const host = await createRequest({ cn: name }, keys.host);
    const body = { token: withToken(), role: "node", name, address, host, ...asked };
    return apiRequest(admin.server, { ca: admin.ca }, { method: "POST", path: JOIN_PATH, body });
  };
const join = joinAs(NAME, ADDRESS);

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

describe("a node's identities near their end", () => {
  const node = () => now.nodes.find((one) => one.name === RENEWED)!;
  const pki = `/var/lib/trireme/${CLUSTER}/hosts/${RENEWED}/pki`;
  const read = (file: string): string => readFileSync(`${pki}/${file}`, "utf8");
  const shared = sharedFolderOf(`/var/lib/trireme/${CLUSTER}/hosts/server1/pki`);

  /** The serial number of the certificate that is served at a port of the node's agent. */
  function served(port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: node().address,
        port,
        rejectUnauthorized: false,
        ALPNProtocols: ["h2", "http/1.1"],
      });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        resolve(socket.getPeerX509Certificate()!.serialNumber);
        socket.destroy();
      });
    });
  }

  async function metric(name: string): Promise<number> {
    const address = `${node().address}:10250`;
    const page = (await apiRequest(address, admin, { method: "GET", path: "/metrics" })).body as string;
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(page)?.[1]);
  }

  const hostIdIn = (cert: X509Certificate): string | undefined => /^OU=(.*)$/m.exec(cert.subject)?.[1];

  /** Signs what the node has anew, so that it is due in {@link DUE_IN_MS}: a life's last third begins then. */
  async function endSoon(): Promise<string> {
    const found = new X509Certificate(read("node.crt"));
    const [identity] = nodeIdentities(RENEWED, node().address) as [NodeIdentity];
    const hostId = hostIdIn(found)!;
    // Certificates begin ten minutes before they are made.
    const days = (1.5 * DUE_IN_MS + 300_000) / 86_400_000;
    const request = { ...identity, ca: readCa(shared, "ca"), ou: hostId, server: true, client: true, days };
    const cert = await sign(request, publicKeyOf(read("node.key")));
    const { account } = JSON.parse(readFileSync(`${shared}/bus.json`, "utf8"));
    const { seed } = JSON.parse(read("nats-creds/node.json"));
    const at = Date.now();
    const claims = { name: `node:${RENEWED}`, expires: Math.floor(at / 1000) + 20, ...nodePermissions(RENEWED) };
    const jwt = signUser(claims, publicKeyOfSeed(seed), account, at - 40_000);
    writePrivateFile(`${pki}/nats-creds/node.json`, JSON.stringify({ jwt, seed }));
    writePrivateFile(`${pki}/node.crt`, cert);
    return new X509Certificate(cert).serialNumber;
  }

  it("are renewed and served while streams go on, nothing restarts, and the bus stays connected", async () => {
    await kubectl("create", "namespace", NS);
    await applyText(POD);
    await within(30_000, "the pod is ready", async () => {
      expectThat(isReady(await getJson("pod", "talker", "-n", NS)), "not ready");
    });
    const task = await containerTask(await getJson("pod", "talker", "-n", NS));
    const agent = (await clusterStatus()).nodes.find((one) => one.name === RENEWED)!.pids.agent;
    const connects = await metric('tri_bus_connects_total{result="ok"}');
    expect(connects).toBeGreaterThan(0);
    const first = await Promise.all([served(10250), served(10251)]);
    const ending = await endSoon();
    const count = 12;
    const script = `i=0; while [ $i -lt ${count} ]; do echo $i; sleep 0.5; i=$((i+1)); done; echo done`;
    const exec = tryKubectl(["exec", "-n", NS, "talker", "--", "busybox", "sh", "-c", script]);
    await within(10_000, "what ends soon is served", async () => {
      for (const port of [10250, 10251]) expect([await served(port), port]).toEqual([ending, port]);
    });
    await within(30_000, "what was renewed is served", async () => {
      for (const port of [10250, 10251]) {
        const serial = await served(port);
        expectThat(serial !== ending && !first.includes(serial), `${serial} at ${port}`);
      }
    });
    const renewed = new X509Certificate(read("node.crt"));
    expect(Date.parse(renewed.validTo) - Date.now()).toBeGreaterThan(300 * 86_400_000);
    const { exp } = readClaims(JSON.parse(read("nats-creds/node.json")).jwt);
    expect(exp! * 1000 - Date.now()).toBeGreaterThan(20 * 3_600_000);
    expect(await kubectl("logs", "-n", NS, "talker")).toEqual(expect.any(String));
    const told = await exec;
    expect([told.code, told.stdout.trim().split("\n").length], told.stderr).toEqual([0, count + 1]);
    expect(await kubectl("exec", "-n", NS, "talker", "--", "busybox", "echo", "again")).toBe("again\n");
    expect((await clusterStatus()).nodes.find((one) => one.name === RENEWED)!.pids.agent).toBe(agent);
    expect(await containerTask(await getJson("pod", "talker", "-n", NS))).toEqual(task);
    expect(await metric("tri_bus_connected")).toBe(1);
    expect(await metric('tri_bus_connects_total{result="ok"}')).toBe(connects);
  }, 90_000);
});
