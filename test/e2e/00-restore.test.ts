/**
 * Goal: from one file and one key a cluster comes back as it was, whoever else is gone: nothing that was acknowledged before the
 * backup is missing, nothing of later is there, pods run on, and nobody goes on with what is no longer true. Method: a small
 * cluster of its own; a backup under a stream of writes; its servers wiped to the last file, and the cluster's own folder too.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Identity, apiRequest } from "./api-request.ts";
import { type Any, type ClusterStatus, CLUSTER, HELLO, ROOT, kubectlPath } from "./cluster.ts";
import { type Finished, expectThat, must, run, within } from "./process.ts";

const NAME = `${CLUSTER.slice(0, 12)}-restore`;
const HOME = `/var/lib/trireme/${NAME}`;
const PLAIN = `plain-${randomBytes(12).toString("hex")}`;
const MAPS = "/api/v1/namespaces/default/configmaps";
const work = mkdtempSync(join(tmpdir(), `trireme-${NAME}-`));
const FILE = join(work, "backup");

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function tri(args: readonly string[], input?: string): Promise<Finished> {
  const options = { cwd: ROOT, timeoutMs: 170_000, ...(input === undefined ? {} : { input }) };
  return run(join(ROOT, "tri"), [...args, "--cluster", NAME], options);
}

async function triOk(...args: string[]): Promise<string> {
  const done = await tri(args);
  if (done.code !== 0) throw new Error(`tri ${args.join(" ")}: exit ${done.code}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

async function kubectl(...args: string[]): Promise<string> {
  const env = { KUBECONFIG: `${HOME}/admin.kubeconfig` };
  return must(await kubectlPath(), ["--cache-dir", join(work, "kube-cache"), ...args], { env });
}

const getJson = async (...args: string[]): Promise<Any> =>
  JSON.parse(await kubectl("get", ...args, "-o", "json")) as Any;

/** A request of the administrator's, with whatever certificate the cluster has now. */
function ask(method: string, path: string, body?: object): Promise<{ status: number; body: Any }> {
  const read = (file: string): Buffer => readFileSync(`${HOME}/pki/${file}`);
  const admin: Identity = { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
  return apiRequest(address, admin, { method, path, ...(body === undefined ? {} : { body }) });
}

/** What runs on the node, as its kernel and its containerd see it: pods' processes and when they started. */
async function running(): Promise<string[]> {
  const { nodes } = JSON.parse(await triOk("status", "-o", "json")) as ClusterStatus;
  const tasks = await must("ctr", ["-a", nodes[0]!.criSocket, "-n", "k8s.io", "tasks", "ls"]);
  return tasks
    .split("\n")
    .slice(1)
    .filter((line) => line.includes("RUNNING"))
    .map((line) => {
      const [id, pid] = line.trim().split(/\s+/);
      return `${id} ${pid} ${readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21]}`;
    })
    .toSorted();
}

let address = "";
let servers: string[] = [];
/** Names by the revision at which they were acknowledged. */
const written = new Map<string, number>();
let before: { tasks: string[]; pods: Any[] };
let backup: { revision: number; key: string };

beforeAll(async () => {
  await triOk("up", "--servers", "1", "--nodes", "1", "-f", HELLO);
  const now = JSON.parse(await triOk("status", "-o", "json")) as ClusterStatus;
  address = now.apiAddress;
  servers = now.servers.map((server) => server.name);
});

afterAll(async () => {
  await triOk("down", "--purge");
  rmSync(work, { recursive: true });
});

/** Creates ConfigMaps one after the other until it is told to stop. */
async function writeUntil(stopped: () => boolean): Promise<void> {
  for (let i = 0; !stopped(); i++) {
    const name = `w${i}`;
    const answer = await ask("POST", MAPS, { metadata: { name }, data: { i: String(i) } });
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    written.set(name, Number(answer.body.metadata.resourceVersion));
  }
}

describe("a backup", () => {
  it("is made under load, shows its key once, and holds no Secret that can be read", async () => {
    await kubectl("create", "secret", "generic", "s68", `--from-literal=value=${PLAIN}`);
    let stopped = false;
    const load = writeUntil(() => stopped);
    await within(30_000, "some writes are acknowledged", () => expectThat(written.size >= 20, `${written.size}`));
    const acknowledged = written.size;
    const made = await triOk("backup", FILE);
    await within(30_000, "more writes follow", () => expectThat(written.size >= acknowledged + 20, `${written.size}`));
    stopped = true;
    await load;
    const revision = Number(/at revision (\d+)/.exec(made)?.[1]);
    const key = /TRIREC(-[0-9A-Z]{4}){14}/.exec(made)?.[0];
    expect(key, made).toBeDefined();
    backup = { revision, key: key! };
    // Whatever was acknowledged before the command began is in it.
    expect(revision).toBeGreaterThanOrEqual([...written.values()][acknowledged - 1]!);
    expect(Math.max(...written.values())).toBeGreaterThan(revision);
    const bytes = readFileSync(FILE);
    for (const text of [PLAIN, base64(PLAIN), "BEGIN PRIVATE KEY", "sealing"]) expect(bytes.includes(text)).toBe(false);
    const again = await tri(["backup", join(work, "second")]);
    expect(again.stdout).not.toContain("TRIREC");
    expect((await tri(["backup", FILE])).stderr).toContain("is there already");
    before = { tasks: await running(), pods: (await getJson("pods")).items };
    expect(before.pods).toHaveLength(3);
  });

  it("is refused by another key, cut short, and while servers run, with nothing touched", async () => {
    const other = /TRIREC(-[0-9A-Z]{4}){14}/.exec(await triOk("backup", "recovery-key", "--new"))![0];
    const cut = join(work, "cut");
    writeFileSync(cut, readFileSync(FILE));
    truncateSync(cut, 100_000);
    const restore = (file: string, key: string, ...more: string[]): Promise<Finished> =>
      tri(["restore", file, "--recovery-key-file", "-", ...more], key);
    for (const [done, why] of [
      [await restore(FILE, backup.key), "still, and a restore wipes all its servers"],
      [await restore(FILE, other, "--force"), "made for recovery key"],
      [
        await restore(
          FILE,
          backup.key.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
          "--force",
        ),
        "checksum is wrong",
      ],
      [await restore(cut, backup.key, "--force"), "truncated"],
      [await restore(HELLO, backup.key, "--force"), "no backup"],
    ] as const) {
      expect(done.code, done.stdout).toBe(1);
      expect(done.stderr).toContain(why);
    }
    expect((await ask("GET", `${MAPS}/w0`)).status).toBe(200);
  });

  it("brings back its revision, and pods run on, after all servers were wiped", async () => {
    await triOk("host", "kill", ...servers);
    for (const name of servers) {
      for (const entry of readdirSync(`${HOME}/hosts/${name}`)) {
        if (entry !== "run") rmSync(`${HOME}/hosts/${name}/${entry}`, { recursive: true });
      }
    }
    for (const entry of ["pki", "admin.kubeconfig"]) rmSync(`${HOME}/${entry}`, { recursive: true });
    const keyFile = join(work, "key");
    writeFileSync(keyFile, `${backup.key.toLowerCase()}\n`, { mode: 0o600 });
    await triOk("restore", FILE, "--recovery-key-file", keyFile);

    const maps = await ask("GET", MAPS);
    const found = new Set<string>(maps.body.items.map((map: Any) => map.metadata.name));
    for (const [name, revision] of written)
      expect(found.has(name), `${name} at ${revision}`).toBe(revision <= backup.revision);
    expect((await getJson("secret", "s68")).data.value).toBe(base64(PLAIN));

    // Watchers of the lost cluster, of before the backup and of after it, are told to start over.
    for (const revision of [backup.revision - 1, backup.revision, Math.max(...written.values())]) {
      const told = await ask("GET", `${MAPS}?watch=true&timeoutSeconds=1&resourceVersion=${revision}`);
      expect(JSON.stringify([told.status, told.body]), `from ${revision}`).toContain("410");
    }
    expect(Number(maps.body.metadata.resourceVersion)).toBeGreaterThan(backup.revision + 1_000_000);

    // The cluster lives: something new is scheduled, and runs beside what has been running all the while.
    await kubectl("scale", "deployment", "hello", "--replicas=4");
    await kubectl("rollout", "status", "deployment", "hello", "--timeout=60s");
    const after = (await getJson("pods")).items;
    for (const { metadata, status } of before.pods) {
      const now = after.find((pod: Any) => pod.metadata.uid === metadata.uid);
      const [was, is] = [status.containerStatuses[0], now?.status.containerStatuses[0]];
      expect([is?.containerID, is?.restartCount, is?.state], metadata.name).toEqual([was.containerID, 0, was.state]);
    }
    expect(await running()).toEqual(expect.arrayContaining(before.tasks));

    for (const name of servers) {
      const folder = `${HOME}/hosts/${name}`;
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const bytes = readFileSync(join(entry.parentPath, entry.name));
        for (const text of [PLAIN, base64(PLAIN)]) expect(bytes.includes(text), entry.name).toBe(false);
      }
    }
    expect(readdirSync("/var/lib/trireme").filter((entry) => entry.startsWith(".restoring"))).toEqual([]);
  });
});
