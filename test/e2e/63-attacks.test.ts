/**
 * Goal: what was stolen from one machine opens no other door: the store's peer port (A5), the bus in others' names (A23), the way
 * from the API to a node's agent (A22, A28). Method: the credentials that a node and a server really hold, used for what they are
 * not for; refusals are compared, and what would have been changed is looked at.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectTls } from "node:tls";
import { type ServiceError, credentials } from "@grpc/grpc-js";
import {
  type BusRefusal,
  type NatsCredentials,
  ackSubject,
  actorSubject,
  createNatsBus,
  eventSubject,
  heartbeatCodec,
  heartbeatSubject,
  podsOnNodeSubject,
  sampleCodec,
  sampleSubject,
} from "@trireme/bus";
import { type Hello, PeerServiceClient } from "@trireme/proto/trireme/raft/v1/raft";
import { createCa, issue } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Identity, apiRequest, serverIdentity } from "./api-request.ts";
import {
  adminCredentials,
  type Any,
  applyText,
  CLUSTER,
  type ClusterStatus,
  ensureCluster,
  etcdctl,
  freshNamespace,
  getJson,
  kubectl,
  leaveNamespace,
  status,
} from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "attacks63";
const VICTIM = "node2";
const THIEF = "node1";
/** Milliseconds of CPU a second that no node has. */
const ABSURD = 777_777;
const POD = `
apiVersion: v1
kind: Pod
metadata: { name: victim, namespace: ${NS} }
spec:
  nodeName: ${THIEF}
  terminationGracePeriodSeconds: 0
  containers: [{ name: c, image: "trireme.local/hello:1" }]
`;

let now: ClusterStatus;
let admin: Awaited<ReturnType<typeof adminCredentials>>;

beforeAll(async () => {
  now = await ensureCluster();
  admin = await adminCredentials();
  await freshNamespace(NS);
  await applyText(POD);
});
afterAll(async () => {
  await leaveNamespace(NS);
});

/** Says hello over TLS and tells how the handshake or what follows ended within two seconds. */
function handshake(host: string, port: number, identity: Partial<Identity>): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"], ...identity });
    const done = (told: string): void => {
      socket.destroy();
      resolve(told);
    };
    // A refusal of the certificate comes after the client believes to be through.
    socket.once("data", () => done("answered"));
    socket.once("error", (error) => done(`refused: ${error.message}`));
    socket.once("close", () => done("refused: closed"));
    socket.setTimeout(2_000, () => done("open"));
  });
}

describe("the store's peer port (A5)", () => {
  const server = () => now.servers[0]!;
  const pair = (part: string): Identity => {
    const { cert, key } = serverIdentity(CLUSTER, server().name, part);
    return {
      ca: readFileSync(`/var/lib/trireme/${CLUSTER}/hosts/${server().name}/pki/peer-ca.crt`),
      cert: cert!,
      key: key!,
    };
  };

  it("shakes hands with its own authority's certificates alone, and they open nothing else", async () => {
    const strangers = await createCa("trireme peers");
    const stranger = await issue({
      ca: strangers,
      cn: server().name,
      sans: [server().address],
      client: true,
      server: true,
    });
    const node = serverIdentity(CLUSTER, THIEF, "node");
    const { address } = server();
    const told = await Promise.all([
      handshake(address, 2380, {}),
      handshake(address, 2380, { cert: stranger.cert, key: stranger.key }),
      handshake(address, 2380, pair("store-apiserver")),
      handshake(address, 2380, { cert: node.cert!, key: node.key! }),
      handshake(address, 2379, pair("peer")),
      handshake(address, 2380, pair("peer")),
    ]);
    const [own, ...others] = told.toReversed();
    for (const one of others) expect(one).toMatch(/^refused: /);
    expect(own).toBe("answered");
  });

  it("lets no peer's certificate speak for another member or another cluster, and logs who tried", async () => {
    // Ids have more digits than a number.
    const list = (await etcdctl(["member", "list", "-w", "json"])).stdout.replaceAll(/:(\d{16,})/g, ':"$1"');
    const table = JSON.parse(list);
    const [own, target, other] = now.servers.map(({ name }) =>
      table.members.find((member: Any) => member.name === name),
    );
    const hello = (member: Any, clusterId = BigInt(table.header.cluster_id)): Hello => {
      return { clusterId, memberId: BigInt(member.ID), name: member.name, peerUrls: member.peerURLs };
    };
    const { ca, cert, key } = pair("peer");
    const tls = credentials.createSsl(Buffer.from(ca), Buffer.from(key!), Buffer.from(cert!));
    const client = new PeerServiceClient(`${now.servers[1]!.address}:2380`, tls);
    const connect = (as: Hello): Promise<string> =>
      new Promise((resolve) => {
        const stream = client.connect();
        stream.on("data", () => {
          resolve("welcome");
          stream.cancel();
        });
        stream.on("error", (error: ServiceError) => resolve(`${error.code} ${error.details}`));
        stream.write({ hello: as, messages: [] });
      });
    try {
      expect(await connect(hello(own, 1n))).toBe(`7 peer ${own.name} belongs to another cluster`);
      const refusal = `the certificate of ${own.name} does not make it member ${other.name}`;
      expect(await connect(hello(other))).toBe(`7 ${refusal}`);
      const itself = `peer ${target.name} says that it is this very member`;
      expect(await connect(hello(target))).toBe(`7 ${itself}`);
      const log = () => readFileSync(`/var/lib/trireme/${CLUSTER}/hosts/${target.name}/log/store.log`, "utf8");
      await within(5_000, "the refusals are logged", () => {
        const lines = log()
          .split("\n")
          .filter((line) => line.includes("peer refused"));
        for (const why of ["belongs to another cluster", refusal, itself]) {
          expectThat(
            lines.some((line) => line.includes(why)),
            `no line tells "${why}"`,
          );
        }
      });
      // The very same words with the truth in them are welcome: it is the truth that was looked at.
      expect(await connect(hello(own))).toBe("welcome");
    } finally {
      client.close();
    }
  });
});

describe("a stolen node's credential on the bus (A23)", () => {
  function busOf(host: string, file: string, certificate: string) {
    const pki = `/var/lib/trireme/${CLUSTER}/hosts/${host}/pki`;
    const read = (name: string): string => readFileSync(`${pki}/${name}`, "utf8");
    return createNatsBus({
      servers: now.servers.map((server) => `${server.address}:4222`),
      tls: () => ({ ca: read("ca.crt"), cert: read(`${certificate}.crt`), key: read(`${certificate}.key`) }),
      credentials: () => JSON.parse(read(`nats-creds/${file}.json`)) as NatsCredentials,
      name: "thief",
    });
  }

  it("is refused others' subjects and streams, and nobody believes what it says of others on its own", async () => {
    const thief = busOf(THIEF, "node", "node");
    const witness = busOf(now.servers[0]!.name, "controllers", "controllers");
    const refusals: BusRefusal[] = [];
    const heard: string[] = [];
    try {
      for (const bus of [thief, witness]) {
        await within(10_000, "connected to NATS", () => expectThat(bus.status() === "connected", bus.status()));
      }
      thief.onRefused((refusal) => void refusals.push(refusal));
      const sequence = Number.parseInt(createHash("sha256").update(NS).digest("hex").slice(0, 8), 16);
      witness.subscribe("tri.v1.heartbeat.>", (payload, subject) => {
        if (heartbeatCodec.decode(payload).sequence === sequence) heard.push(subject);
      });
      await witness.flush();
      const beat = heartbeatCodec.encode({ v: 1, node: VICTIM, sequence, startedAtMs: 1 });
      const pub = [
        heartbeatSubject(VICTIM),
        sampleSubject(VICTIM),
        ackSubject("proxy", VICTIM),
        podsOnNodeSubject(VICTIM),
        podsOnNodeSubject(THIEF),
        eventSubject({ group: "", resource: "services" }),
        actorSubject("controllers"),
        "_INBOX.any",
        "tri.v1.>",
        ">",
      ];
      const streams = [
        podsOnNodeSubject(VICTIM),
        eventSubject({ group: "", resource: "secrets" }),
        eventSubject({ group: "", resource: "configmaps" }),
        eventSubject({ group: "", resource: "pods" }),
        "tri.v1.heartbeat.>",
        "_INBOX.>",
        ">",
      ];
      const leaked: string[] = [];
      for (const subject of streams) {
        thief.subscribe(subject, (_, from) => leaked.push(from), { onRefused: (one) => void refusals.push(one) });
      }
      for (const subject of pub) thief.publish(subject, beat);
      // What it may say, it says of another: of its own life, and of what the other uses.
      thief.publish(heartbeatSubject(THIEF), beat);
      const lie = { v: 1, node: VICTIM, atMs: Date.now(), windowMs: 1_000, cpuMillis: ABSURD, memoryBytes: 1 } as const;
      thief.publish(sampleSubject(THIEF), sampleCodec.encode({ ...lie, pods: {} }));
      await thief.flush();
      await within(5_000, "every refusal by name", () => {
        const told = new Set(refusals.map((one) => `${one.operation} ${one.subject}`));
        const missing = [...pub.map((s) => `publish ${s}`), ...streams.map((s) => `subscribe ${s}`)].filter(
          (one) => !told.has(one),
        );
        expectThat(missing.length === 0, `not refused: ${missing.join(", ")}`);
      });
      await within(5_000, "its own heartbeat arrives", () => expectThat(heard.length > 0, "nothing heard"));
      expect(heard).toEqual([heartbeatSubject(THIEF)]);
      expect(leaked).toEqual([]);
      const used = await kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes");
      expect(JSON.parse(used).items.length).toBeGreaterThan(0);
      expect(used).not.toContain(String(ABSURD));
    } finally {
      await thief.close();
      await witness.close();
    }
  });
});

describe("a node that leads the API to another's agent (A22, A28)", () => {
  const addressOf = (node: string): string => now.nodes.find(({ name }) => name === node)!.address;
  const asThief = (method: string, path: string, body: object) =>
    apiRequest(admin.server, serverIdentity(CLUSTER, THIEF, "node"), {
      method,
      path,
      body,
      headers: { "content-type": "application/merge-patch+json" },
    });
  const moveTo = (address: string) => {
    const addresses = [
      { type: "InternalIP", address },
      { type: "Hostname", address: THIEF },
    ];
    return asThief("PATCH", `/api/v1/nodes/${THIEF}/status`, { status: { addresses } });
  };

  it("gets nobody there: whoever answers has to be the node, and the client is told who is not", async () => {
    await within(30_000, "the pod is Running", async () =>
      expectThat((await getJson("pod", "victim", "-n", NS)).status.phase === "Running", "not yet"),
    );
    const path = `/api/v1/namespaces/${NS}/pods/victim/log`;
    const { server, ...identity } = admin;
    const log = () => apiRequest(server, identity, { method: "GET", path });
    expect((await log()).status).toBe(200);
    for (const nobodys of ["127.0.0.1", "169.254.169.254"]) expect((await moveTo(nobodys)).status).toBe(403);
    // A thief's own agent does not say where it truly is, which would undo the lie at once.
    const { agent } = (await status()).nodes.find(({ name }) => name === THIEF)!.pids;
    process.kill(agent, "SIGSTOP");
    try {
      expect((await moveTo(addressOf(VICTIM))).status).toBe(200);
      const answer = await within(20_000, "the API looks where the node says it is", async () => {
        const one = await log();
        expectThat(one.status === 502, JSON.stringify(one));
        return one;
      });
      expect(answer.body.message).toContain(`who answers in place of the agent of node "${THIEF}" is not it`);
      expect(answer.body.message).toContain(`its certificate is of "system:node:${VICTIM}"`);
    } finally {
      process.kill(agent, "SIGCONT");
      await moveTo(addressOf(THIEF));
    }
    await within(10_000, "the log is back", async () => expectThat((await log()).status === 200, "not yet"));
  });
});

describe("the identities of a stolen server's own parts", () => {
  const pods = `/api/v1/namespaces/${NS}/pods`;
  const maps = `/api/v1/namespaces/${NS}/configmaps`;
  const account = (name: string, namespace = "kube-system") => ({
    "impersonate-user": `system:serviceaccount:${namespace}:${name}`,
  });
  const ask = async (part: string, method: string, path: string, headers: Record<string, string> = {}) => {
    const body = method !== "POST" ? undefined : { metadata: { name: "forged" } };
    const identity = serverIdentity(CLUSTER, now.servers[0]!.name, part);
    return (await apiRequest(admin.server, identity, { method, path: `${path}?dryRun=All`, headers, body })).status;
  };

  it("do their own work alone, each controller as itself", async () => {
    const told: string[] = [];
    const requests: readonly (readonly [part: string, method: string, path: string, code: number, as?: object])[] = [
      ["controllers", "GET", pods, 200],
      ["controllers", "POST", maps, 403],
      ["controllers", "POST", pods, 403],
      ["controllers", "DELETE", `${pods}/victim`, 403],
      ["controllers", "POST", maps, 201, account("root-ca-cert-publisher")],
      ["controllers", "POST", maps, 403, account("replicaset-controller")],
      ["controllers", "DELETE", `${pods}/victim`, 200, account("node-controller")],
      ["controllers", "DELETE", `${pods}/victim`, 403, account("deployment-controller")],
      ["controllers", "GET", maps, 403, account("default")],
      ["controllers", "POST", maps, 403, account("root-ca-cert-publisher", NS)],
      ["controllers", "POST", maps, 403, { "impersonate-user": "admin", "impersonate-group": "system:masters" }],
      ["controllers", "POST", maps, 403, { "trireme-fence": "scheduler=1" }],
      ["scheduler", "GET", pods, 200],
      ["scheduler", "DELETE", `${pods}/victim`, 403],
      ["scheduler", "GET", `/api/v1/namespaces/${NS}/secrets`, 403],
      ["scheduler", "POST", maps, 403, account("root-ca-cert-publisher")],
      ["nats", "GET", pods, 403],
      ["apiserver-client", "GET", pods, 403],
      ["peer", "GET", pods, 401],
      ["store-apiserver", "GET", pods, 401],
    ];
    for (const [part, method, path, , as] of requests) {
      told.push(`${part} ${method} ${path} ${JSON.stringify(as)} ${await ask(part, method, path, { ...as })}`);
    }
    expect(told).toEqual(
      requests.map(([part, method, path, code, as]) => `${part} ${method} ${path} ${JSON.stringify(as)} ${code}`),
    );
  });
});
