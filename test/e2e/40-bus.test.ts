/**
 * Goal: events really travel over NATS, each identity sees only its own, and the cluster needs none of it. Method: a
 * subscriber with a node's own credential; every nats-server stopped under a scale.
 */
import { readFileSync } from "node:fs";
import {
  type BusRefusal,
  type NatsCredentials,
  type StreamMessage,
  createNatsBus,
  listen,
  podsOnNodeSubject,
  streamCodec,
} from "@trireme/bus";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  applyText,
  CLUSTER,
  ensureCluster,
  freshNamespace,
  kubectl,
  leaveNamespace,
  livePods,
  status,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, run, within } from "./process.ts";

const NS = "bus";

/** A bus connection with the credential and certificate that a node's agent holds. */
async function busOfNode(node: string) {
  const pki = `/var/lib/trireme/${CLUSTER}/hosts/${node}/pki`;
  const read = (file: string): string => readFileSync(`${pki}/${file}`, "utf8");
  const bus = createNatsBus({
    servers: (await status()).servers.map((server) => `${server.address}:4222`),
    tls: () => ({ ca: read("ca.crt"), cert: read("node.crt"), key: read("node.key") }),
    credentials: () => JSON.parse(read("nats-creds/node.json")) as NatsCredentials,
    name: "e2e",
  });
  await within(10_000, "connected to NATS", () => expectThat(bus.status() === "connected", bus.status()));
  return bus;
}

const podOn = (node: string, name: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${NS} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers: [{ name: c, image: "trireme.local/hello:1" }]
`;

describe("the bus", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it("shows node1's credential the pods of node1, refuses it node2's, and counts what it sends", async () => {
    const bus = await busOfNode("node1");
    const seen: StreamMessage[] = [];
    const refused: BusRefusal[] = [];
    try {
      listen(bus, podsOnNodeSubject("node1"), streamCodec, (message) => void seen.push(message));
      bus.subscribe(podsOnNodeSubject("node2"), () => seen.push({ kind: "event" } as StreamMessage), {
        onRefused: (refusal) => void refused.push(refusal),
      });
      await within(5_000, "node2's stream is refused", () => expectThat(refused.length === 1, "not refused"));
      await within(5_000, "a bookmark comes each second", () => expectThat(seen.length > 1, `${seen.length} seen`));
      const before = seen.at(-1)!.seq;
      await applyText(podOn("node2", "on-two"));
      await applyText(podOn("node1", "on-one"));
      await within(10_000, "the event of node1's pod", () => {
        expectThat(
          seen.some((message) => message.kind === "event" && message.key === `${NS}/on-one`),
          JSON.stringify(seen.at(-1)),
        );
      });
      expect(seen.at(-1)!.seq).toBeGreaterThan(before);
      expect(seen.filter((message) => message.kind === "event" && message.key === `${NS}/on-two`)).toEqual([]);
      expect(refused[0]).toEqual({ operation: "subscribe", subject: podsOnNodeSubject("node2") });
    } finally {
      await bus.close();
      await tryKubectl(["delete", "pod", "on-one", "on-two", "-n", NS, "--wait=false"]);
    }
  });

  it("raises the relay's stream counters on its server's metrics", async () => {
    const counters = async (): Promise<number> => {
      const now = await status();
      const server = now.servers.find((each) => each.name === now.elections["relay"])!;
      const pki = `/var/lib/trireme/${CLUSTER}/hosts/${server.name}/pki`;
      const admin = `/var/lib/trireme/${CLUSTER}/pki`;
      const tls = ["--cacert", `${pki}/ca.crt`, "--cert", `${admin}/admin.crt`, "--key", `${admin}/admin.key`];
      const text = (await run("curl", ["-sS", ...tls, `https://${server.address}:6445/metrics`])).stdout;
      const rows = [...text.matchAll(/^tri_relay_stream_seq\{[^}]*\} (\d+)$/gm)];
      expectThat(rows.length > 0, `no tri_relay_stream_seq`);
      return rows.reduce((sum, row) => sum + Number(row[1]), 0);
    };
    const before = await counters();
    await kubectl("create", "configmap", "counted", "-n", NS);
    await within(5_000, "counted", async () => expectThat((await counters()) > before, "no rise"));
  });

  it("is not needed: with all NATS servers stopped a scale converges", async () => {
    await kubectl("create", "deployment", "deaf", "--image=trireme.local/hello:1", "-n", NS);
    await kubectl("rollout", "status", "deployment/deaf", "-n", NS, "--timeout=60s");
    const pids = (await status()).servers.map((server) => server.pids.nats);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    try {
      await kubectl("scale", "deployment", "deaf", "--replicas=3", "-n", NS);
      await within(60_000, "three Running without NATS", async () => {
        const running = (await livePods("app=deaf", NS)).filter((pod) => pod.status?.phase === "Running");
        expectThat(running.length === 3, `${running.length} Running`);
      });
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
  });
});
