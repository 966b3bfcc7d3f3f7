import type { Deployment, KubeObject, Pod, Service } from "@trireme/api";
import { TriremeError, sleep } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { tryGet } from "../local/api.ts";
import type { Progress } from "../local/progress.ts";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import { type Applied, namespaceOf, pathOf, titleOf } from "./apply.ts";

/** Three pods take some two seconds; images that have to be fetched take longer. */
const AVAILABLE_WITHIN_MS = 150_000;
const POLL_MS = 50;
/** A Service answers as soon as its endpoints are in every proxy; a program may need a moment after it is ready. */
const ANSWER_WITHIN_MS = 20_000;
const ONE_ANSWER_MS = 2_000;

/** Why a Deployment is not available yet, or nothing when it is. */
export function missingOf(deployment: Deployment): string | undefined {
  const wanted = deployment.spec?.replicas ?? 1;
  const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = deployment.status ?? {};
  if (observedGeneration < (deployment.metadata?.generation ?? 0)) return "not seen by its controller yet";
  if (updatedReplicas < wanted) return `${updatedReplicas} of ${wanted} updated`;
  if (replicas > updatedReplicas) return `${replicas - updatedReplicas} old still there`;
  if (availableReplicas < wanted) return `${availableReplicas} of ${wanted} available`;
  return undefined;
}

/** Waits until every applied Deployment is available; says at the end which is not, and why. */
export async function waitAvailable(client: ApiClient, applied: readonly Applied[], progress: Progress): Promise<void> {
  const deployments = applied.filter((it) => it.manifest.resource.kind === "Deployment");
  await Promise.all(
    deployments.map((it) => progress.step(`${titleOf(it.manifest)} available`, () => waitForDeployment(client, it))),
  );
}

async function waitForDeployment(client: ApiClient, applied: Applied): Promise<void> {
  const deadline = performance.now() + AVAILABLE_WITHIN_MS;
  for (;;) {
    const deployment = await tryGet<Deployment>(client, pathOf(applied.manifest));
    const missing = deployment === undefined ? "the API does not answer" : missingOf(deployment);
    if (missing === undefined) return;
    if (performance.now() > deadline) {
      const reasons = deployment === undefined ? [] : await podProblems(client, deployment);
      const lines = [`${titleOf(applied.manifest)} is not available: ${missing}`, ...reasons];
      throw new TriremeError("Timeout", lines.join("\n"));
    }
    await sleep(POLL_MS);
  }
}

async function podProblems(client: ApiClient, deployment: Deployment): Promise<string[]> {
  const labels = Object.entries(deployment.spec?.selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const namespace = namespaceOf(deployment as KubeObject);
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(labels.join(","))}`;
  const pods = await tryGet<{ items: Pod[] }>(client, path);
  return (pods?.items ?? []).flatMap(problemsOfPod);
}

/** What a pod itself says about why it is not Ready. */
export function problemsOfPod(pod: Pod): string[] {
  const name = `  pod ${pod.metadata?.name ?? ""}`;
  const waiting = (pod.status?.containerStatuses ?? []).flatMap((it) => {
    const state = it.state?.waiting ?? it.state?.terminated;
    return state?.reason === undefined ? [] : [`${name}: ${it.name}: ${state.reason}: ${state.message ?? ""}`];
  });
  if (waiting.length > 0) return waiting;
  return (pod.status?.conditions ?? [])
    .filter((it) => it.status !== "True" && it.message !== undefined && it.message !== "")
    .map((it) => `${name}: ${it.type}: ${it.message}`);
}

/** The addresses on this machine of the NodePorts of applied Services, each once it answers. */
export async function serviceUrls(plan: ClusterPlan, applied: readonly Applied[]): Promise<string[]> {
  const services = applied.filter((it) => it.manifest.resource.kind === "Service");
  const nodePorts = services.flatMap(({ object }) =>
    ((object as KubeObject as Service).spec?.ports ?? [])
      .filter((port) => (port.protocol ?? "TCP") === "TCP")
      .map((port) => port.nodePort ?? 0),
  );
  const wanted = nodePorts.filter((port) => port > 0);
  return Promise.all(wanted.map((port) => waitForUrl(plan, port)));
}

async function waitForUrl(plan: ClusterPlan, nodePort: number): Promise<string> {
  const deadline = performance.now() + ANSWER_WITHIN_MS;
  for (;;) {
    const local = localPorts(plan)[nodePort];
    const url = `http://127.0.0.1:${local ?? nodePort}/`;
    // Anything that is said is an answer; a program may also speak something else than HTTP.
    if (local !== undefined && (await answers(url))) return url;
    if (performance.now() > deadline) return `${url} (does not answer HTTP)`;
    await sleep(POLL_MS);
  }
}

function localPorts(plan: ClusterPlan): Readonly<Record<string, number>> {
  try {
    return JSON.parse(readFileSync(`${plan.dir}/run/node-ports.json`, "utf8")) as Record<string, number>;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw thrown;
  }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: ONE_ANSWER_MS, agent: false }, (response) => {
      response.resume();
      resolve(true);
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
