/**
 * Goal: every everyday command of kubectl works unchanged, in the newest release that we speak and in an older one that
 * is still in wide use. Method: transcripts of what Kubernetes prints, each typed into both releases side by side, each
 * in a namespace of its own. When all suites run, the older release types those in which the releases differ most; alone,
 * this file has it type everything.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import {
  type Any,
  CLUSTER,
  type ClusterStatus,
  KUBECTL_ENV,
  KUBECTL_VERSIONS,
  type KubectlVersion,
  ensureCluster,
  kubectlPath,
  tryKubectl,
} from "./cluster.ts";
import { type Session, runTranscript } from "./transcript.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
const transcripts = readdirSync(FOLDER).filter((file) => file.endsWith(".txt"));
const WORK = `/tmp/trireme-${CLUSTER}-verbs`;

/** What the older release types when all suites run. */
const SHARE = new Set(["apply.txt", "delete.txt", "get.txt", "rollout.txt"]);

/** The releases that type a transcript. */
const releasesOf = (file: string): readonly KubectlVersion[] =>
  process.env["TRIREME_TEST_SHARE"] === undefined || SHARE.has(file) ? KUBECTL_VERSIONS : KUBECTL_VERSIONS.slice(0, 1);

/** Some hundred commands at once take half a minute on two idle cores, and minutes on busy ones. */
const TRANSCRIPT_TIMEOUT_MS = 300_000;

/** The namespace of a transcript's session; short, since names of objects are made of it. */
const namespaceOf = (file: string, release: string): string => `${basename(file, ".txt")}-${release.replace(".", "-")}`;

async function sessionOf(cluster: ClusterStatus, file: string, index: number): Promise<Session> {
  const release = KUBECTL_VERSIONS[index]!;
  // Each release has a node of its own to taint and cordon.
  const node = cluster.nodes[index]!.name;
  const namespace = namespaceOf(file, release);
  const dir = join(WORK, namespace);
  mkdirSync(join(dir, "bin"), { recursive: true });
  const kubectl = await kubectlPath(release);
  symlinkSync(kubectl, join(dir, "bin/kubectl"));
  symlinkSync(join(dirname(kubectl), "../helm/helm"), join(dir, "bin/helm"));
  const config = parse(readFileSync(cluster.kubeconfig, "utf8")) as Any;
  config.contexts[0].context.namespace = namespace;
  writeFileSync(join(dir, "kubeconfig"), stringify(config));
  const env = {
    ...KUBECTL_ENV,
    PATH: `${join(dir, "bin")}:${process.env["PATH"]}`,
    HOME: dir,
    KUBECONFIG: join(dir, "kubeconfig"),
    KUBECACHEDIR: join(WORK, `cache-${release}`),
    NS: namespace,
    NODE: node,
    DIR: dir,
  };
  return {
    release,
    env,
    names: new Map([
      [dir, "DIR"],
      [namespace, "NS"],
      [node, "NODE"],
      [config.clusters[0].cluster.server, "SERVER"],
    ]),
  };
}

describe("kubectl", () => {
  let cluster: ClusterStatus;
  beforeAll(async () => {
    expect([...SHARE].filter((file) => !transcripts.includes(file))).toEqual([]);
    cluster = await ensureCluster();
    rmSync(WORK, { recursive: true, force: true });
    await removeNamespaces("--timeout=60s");
  });
  afterAll(async () => {
    rmSync(WORK, { recursive: true, force: true });
    await removeNamespaces("--wait=false");
  });

  it.concurrent.for(transcripts)("%s", { timeout: TRANSCRIPT_TIMEOUT_MS }, async (file) => {
    const sessions = await Promise.all(releasesOf(file).map((_, i) => sessionOf(cluster, file, i)));
    for (const { release, expected, actual } of await runTranscript(join(FOLDER, file), sessions)) {
      if (process.env["UPDATE"] !== "1") expect(actual, `kubectl ${release}`).toBe(expected);
    }
  });
});

async function removeNamespaces(wait: string): Promise<void> {
  const names = transcripts.flatMap((file) => KUBECTL_VERSIONS.map((release) => namespaceOf(file, release)));
  const { code, stderr } = await tryKubectl(["delete", "namespace", ...names, "--ignore-not-found", wait]);
  expect(code, stderr).toBe(0);
}
