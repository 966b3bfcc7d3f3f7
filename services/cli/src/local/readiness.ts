import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { TriremeError, sleep } from "@trireme/base";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import type { Progress } from "./progress.ts";

/** A cluster starts in seconds; after this something is wrong and people want to read logs. */
const READY_WITHIN_MS = 60_000;
const POLL_MS = 50;
const ANSWER_WITHIN_MS = 2_000;

/** An answer of the API, or nothing when none came. */
interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Waits until the API answers through the balancer and every node is Ready. */
export async function waitUntilReady(plan: ClusterPlan, programs: Programs, progress: Progress): Promise<void> {
  if (!programs.built.has("control")) {
    progress.note("control is not built: not waiting for the API");
    return;
  }
  const agent = new Agent({ keepAlive: true, ...adminCredentials(plan) });
  try {
    await progress.step("API ready", () => waitForApi(plan, agent));
    if (programs.built.has("node-agent")) await progress.step("nodes ready", () => waitForNodes(plan, agent));
  } finally {
    agent.destroy();
  }
}

/** What an administrator's client needs. */
export function adminCredentials(plan: ClusterPlan): { ca: Buffer; cert: Buffer; key: Buffer } {
  const read = (file: string): Buffer => readFileSync(`${plan.dir}/pki/${file}`);
  return { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
}

async function waitForApi(plan: ClusterPlan, agent: Agent): Promise<void> {
  await poll(
    async () => (await ask(plan, agent, "/readyz"))?.status === 200,
    () => `no server is ready; see ${plan.dir}/hosts/server1/log/control.log and store.log`,
  );
}

interface NodeList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  }[];
}

async function waitForNodes(plan: ClusterPlan, agent: Agent): Promise<void> {
  let missing: string[] = plan.nodes.map((node) => node.name);
  await poll(
    async () => {
      const answer = await ask(plan, agent, "/api/v1/nodes");
      if (answer?.status !== 200) return false;
      const ready = (JSON.parse(answer.body) as NodeList).items
        .filter((node) => node.status?.conditions?.some((it) => it.type === "Ready" && it.status === "True"))
        .map((node) => node.metadata.name);
      missing = plan.nodes.map((node) => node.name).filter((name) => !ready.includes(name));
      return missing.length === 0;
    },
    () => `not ready: ${missing.join(", ")}; see ${plan.dir}/hosts/${missing[0]}/log/agent.log`,
  );
}

/** Asks until the answer is yes; at the deadline fails with what `problem` says then. */
export async function poll(
  done: () => Promise<boolean>,
  problem: () => string,
  withinMs = READY_WITHIN_MS,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await done())) {
    if (performance.now() > deadline) throw new TriremeError("Timeout", problem());
    await sleep(POLL_MS);
  }
}

function ask(plan: ClusterPlan, agent: Agent, path: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const sent = request(
      { host: "127.0.0.1", port: plan.shape.httpsPort, path, agent, timeout: ANSWER_WITHIN_MS },
      (response) => {
        const body: Buffer[] = [];
        response.on("data", (data: Buffer) => body.push(data));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(body).toString() }));
        response.on("error", () => resolve(undefined));
      },
    );
    sent.on("timeout", () => sent.destroy());
    sent.on("error", () => resolve(undefined));
    sent.end();
  });
}
