import type { Deployment, KubeObject, Pod, Service, StatefulSet } from "@trireme/api";
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

/** Why a StatefulSet is not available yet, or nothing when it is. */
export function missingOfSet(set: StatefulSet): string | undefined {
  const wanted = set.spec?.replicas ?? 1;
  const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0 } = set.status ?? {};
  if (observedGeneration < (set.metadata?.generation ?? 0)) return "not seen by its controller yet";
  const onDelete = set.spec?.updateStrategy?.type === "OnDelete";
  if (!onDelete && updatedReplicas < wanted) return `${updatedReplicas} of ${wanted} updated`;
  if (availableReplicas < wanted) return `${availableReplicas} of ${wanted} available`;
  return undefined;
}

type Workload = Deployment | StatefulSet;

/** Of the kinds that one waits for: what is missing of an object. */
const MISSING: Readonly<Record<string, (object: Workload) => string | undefined>> = {
  Deployment: (object) => missingOf(object as Deployment),
  StatefulSet: (object) => missingOfSet(object as StatefulSet),
};

/** Waits until every applied Deployment and StatefulSet is available; says at the end which is not, and why. */
export async function waitAvailable(client: ApiClient, applied: readonly Applied[], progress: Progress): Promise<void> {
  await Promise.all(
    applied.flatMap((it) => {
      const missing = MISSING[it.manifest.resource.kind];
      if (missing === undefined) return [];
      return [progress.step(`${titleOf(it.manifest)} available`, () => waitForWorkload(client, it, missing))];
    }),
  );
}

async function waitForWorkload(
  client: ApiClient,
  applied: Applied,
  missingIn: (object: Workload) => string | undefined,
): Promise<void> {
  const deadline = performance.now() + AVAILABLE_WITHIN_MS;
  for (;;) {
    const workload = await tryGet<Workload>(client, pathOf(applied.manifest));
    const missing = workload === undefined ? "the API does not answer" : missingIn(workload);
    if (missing === undefined) return;
    if (performance.now() > deadline) {
      const reasons = workload === undefined ? [] : await podProblems(client, workload);
      const lines = [`${titleOf(applied.manifest)} is not available: ${missing}`, ...reasons];
      throw new TriremeError("Timeout", lines.join("\n"));
    }
    await sleep(POLL_MS);
  }
}

async function podProblems(client: ApiClient, workload: Workload): Promise<string[]> {
  const labels = Object.entries(workload.spec?.selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const namespace = namespaceOf(workload as KubeObject);
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
