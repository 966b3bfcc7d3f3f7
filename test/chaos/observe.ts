import { apiRequest } from "../e2e/api-request.ts";
import type { Any } from "../e2e/cluster.ts";
import { fetchText } from "../e2e/http.ts";
import { expectThat, must } from "../e2e/process.ts";
import type { Access } from "./access.ts";
import type { Host } from "./machines.ts";
import { notOnce } from "./verdict.ts";
import { NODE_PORT, POD_COUNT } from "./workload.ts";
import { NAMESPACE } from "./writers.ts";

/** So many requests to a node meet pods of both nodes; that all of them meet its own happens once in some ten thousand. */
const ASKED = 16;

/** Looks at a cluster from outside, with clients that are not its own where there are some. */
export class Observer {
  private readonly access: Access;
  private readonly servers: readonly Host[];
  private readonly nodes: readonly Host[];

  constructor(access: Access, servers: readonly Host[], nodes: readonly Host[]) {
    this.access = access;
    this.servers = servers;
    this.nodes = nodes;
  }

  /** A GET of the API, of one server. */
  async get(server: Host, path: string): Promise<Any> {
    const { ca, admin } = this.access;
    const { status, body } = await apiRequest(`${server.address}:6443`, { ca, ...admin }, { method: "GET", path });
    expectThat(status === 200, `${server.name}: GET ${path}: ${status} ${JSON.stringify(body).slice(0, 200)}`);
    return body;
  }

  /** A GET of any server that answers. */
  async getAnywhere(path: string): Promise<Any> {
    return Promise.any(this.servers.map((server) => this.get(server, path)));
  }

  private etcdctl(args: readonly string[], endpoints: readonly Host[]): Promise<string> {
    const { cacert, cert, key } = this.access.operator;
    const urls = endpoints.map(({ address }) => `https://${address}:2379`).join(",");
    const flags = ["--cacert", cacert, "--cert", cert, "--key", key, "--endpoints", urls, "--command-timeout=3s"];
    return must("etcdctl", [...flags, ...args], { env: { ETCDCTL_API: "3" }, timeoutMs: 8_000 });
  }

  /** The server that leads the store in the newest term, and the others. */
  async roles(): Promise<{ leader: Host; followers: readonly Host[] }> {
    const statuses = JSON.parse(await this.etcdctl(["endpoint", "status", "-w", "json"], this.servers)) as Any[];
    const newest = statuses.toSorted((a, b) => Number(b.Status.raftTerm) - Number(a.Status.raftTerm))[0];
    const leading = statuses.find(({ Status }) => Status.header.member_id === newest.Status.leader);
    const leader = this.servers.find(({ address }) => String(leading?.Endpoint).includes(`//${address}:`));
    expectThat(leader !== undefined, "no leader");
    return { leader, followers: this.servers.filter((server) => server !== leader) };
  }

  /** Throws unless every member is healthy and all hold the same at one revision. */
  async storeAgrees(): Promise<void> {
    await this.etcdctl(["endpoint", "health"], this.servers);
    const statuses = JSON.parse(await this.etcdctl(["endpoint", "status", "-w", "json"], this.servers)) as Any[];
    const revision = Math.min(...statuses.map(({ Status }) => Number(Status.header.revision)));
    const answer = await this.etcdctl(["endpoint", "hashkv", `--rev=${revision}`, "-w", "json"], this.servers);
    const hashes = (JSON.parse(answer) as Any[]).map(({ HashKV }) => HashKV.hash);
    expectThat(
      hashes.length === this.servers.length && new Set(hashes).size === 1,
      `members differ at revision ${revision}: ${hashes.join(", ")}`,
    );
  }

  /**
   * Throws unless servers and nodes are ready, and each pod is, with each of its containers running once and nothing else.
   * What costs the machine little is looked at first: who waits for this asks often.
   */
  async converged(): Promise<void> {
    await Promise.all(this.servers.map((server) => this.get(server, "/readyz")));
    for (const node of (await this.getAnywhere("/api/v1/nodes")).items) {
      expectThat(isReady(node), `${node.metadata.name} is not Ready`);
    }
    const wanted = await this.containers();
    const running = (await Promise.all(this.nodes.map(runningContainers))).flat();
    const wrong = notOnce(running, wanted);
    expectThat(wrong.length === 0, wrong.join("; "));
    await this.storeAgrees();
    const asked = this.nodes.flatMap(({ address }) => Array.from({ length: ASKED }, () => address));
    await Promise.all(asked.map((address) => fetchText(`http://${address}:${NODE_PORT}/`, 2_000)));
  }

  /** Throws unless the API calls a node anything but Ready. */
  async notReady(node: Host): Promise<void> {
    expectThat(!isReady(await this.getAnywhere(`/api/v1/nodes/${node.name}`)), `${node.name} is Ready`);
  }

  /** The containers of all pods, which must be as many as wanted, Ready, and none on its way out. */
  async containers(): Promise<readonly string[]> {
    const pods: Any[] = (await this.getAnywhere(`/api/v1/namespaces/${NAMESPACE}/pods`)).items;
    for (const { metadata, status } of pods) {
      expectThat(metadata.deletionTimestamp === undefined, `${metadata.name} is being deleted`);
      expectThat(isReady({ status }), `${metadata.name} is not Ready`);
    }
    expectThat(pods.length === POD_COUNT, `${pods.length} pods instead of ${POD_COUNT}`);
    return pods.map(({ status }) => String(status.containerStatuses[0].containerID).replace(/^.*:\/\//, "")).toSorted();
  }

  /** The ConfigMaps that are there now, by name, as one server answers from the newest revision. */
  async written(server: Host): Promise<ReadonlyMap<string, string>> {
    const list = await this.get(server, `/api/v1/namespaces/${NAMESPACE}/configmaps`);
    return new Map(list.items.map((item: Any) => [item.metadata.name, item.data?.value]));
  }
}

function isReady(object: Any): boolean {
  return (object.status?.conditions ?? []).some((c: Any) => c.type === "Ready" && c.status === "True");
}

const CTR = "ctr -a /var/lib/trireme/host/containerd/containerd.sock -n k8s.io";

/** Ids of the containers that run on a node, as containerd's tasks; pods' sandboxes left out. */
async function runningContainers(node: Host): Promise<string[]> {
  const both = `${CTR} tasks ls; echo --; ${CTR} containers ls -q 'labels."io.cri-containerd.kind"==container'`;
  const [tasks = "", containers = ""] = (await node.exec("sh", "-ec", both)).split("--\n");
  const ofPods = new Set(containers.split("\n"));
  const running = tasks.split("\n").map((line) => line.trim().split(/\s+/));
  return running.flatMap(([id = "", , state]) => (state === "RUNNING" && ofPods.has(id) ? [id] : []));
}
