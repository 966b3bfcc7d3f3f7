/**
 * Goal: each singleton is elected and fenced. Method: kill the server that holds each election and ask for new work;
 * send a write with a fence that has passed.
 */
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import {
  CLUSTER,
  ensureCluster,
  freshNamespace,
  getJson,
  kubectl,
  leaveNamespace,
  livePods,
  status,
  triOk,
  tryKubectl,
} from "./cluster.ts";
import { apiRequest, serverIdentity } from "./api-request.ts";
import { expectThat, within } from "./process.ts";

const NS = "elections";

describe("elections", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it.each(["scheduler", "controllers", "relay"])("survive the death of the server that holds %s", async (election) => {
    const holder = await within(20_000, `${election} is held`, async () => {
      const name = (await status()).elections[election];
      expectThat(/^server\d$/.test(name ?? ""), `held by ${name}`);
      return name!;
    });
    await triOk("host", "kill", holder);
    try {
      const name = `after-${election}`;
      await within(20_000, "the API takes a write", () =>
        kubectl("create", "deployment", name, "--image=trireme.local/hello:1", "-n", NS),
      );
      await within(40_000, "a new Deployment comes up", async () => {
        const pods = await livePods(`app=${name}`, NS);
        expectThat(pods.length === 1 && pods[0].status?.phase === "Running", "not Running");
      });
      await within(20_000, "another server holds it", async () => {
        const now = (await status()).elections[election];
        expectThat(now !== undefined && now !== holder, `held by ${now}`);
      });
    } finally {
      await triOk("host", "start", holder);
    }
    await within(30_000, "the server is back", async () => {
      const told = (await status()).servers.find((server) => server.name === holder);
      expectThat((told?.pids.control ?? 0) > 0, "no control process");
    });
  });

  it("refuse a write with an old fence", async () => {
    const lease = await getJson("lease", "trireme-scheduler", "-n", "kube-system");
    expect(lease.spec.holderIdentity).toMatch(/^server\d$/);
    const server = (await status()).servers[0]!;
    const answer = await apiRequest(server.endpoints.https, serverIdentity(CLUSTER, server.name, "scheduler"), {
      method: "POST",
      path: `/api/v1/namespaces/${NS}/events`,
      headers: { "trireme-fence": "scheduler=1" },
      body: {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "fenced-out", namespace: NS },
        involvedObject: { kind: "Pod", name: "x", namespace: NS },
        reason: "Scheduled",
        type: "Normal",
        message: "a deposed scheduler speaks",
      },
    });
    expect([answer.status, answer.body.reason]).toEqual([409, "Fenced"]);
    expect((await tryKubectl(["get", "event", "fenced-out", "-n", NS])).stderr).toContain("not found");
  });
});
