/**
 * Goal (attack A27): whoever steals a server's disk learns nothing of a Secret, and the key that seals them is replaced while
 * they are read and written. Method: values that occur nowhere else, looked for in every file below every server's folder,
 * beside a ConfigMap's value that is found there in the same way; a rotation under writers and the real kubectl.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Identity, apiRequest, serverIdentity } from "./api-request.ts";
import { CLUSTER, adminCredentials, ensureCluster, kubectl, status, tri, triOk, tryKubectl } from "./cluster.ts";
import { within } from "./process.ts";

const NAMESPACE = "sealing64";
const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;
const PLAIN = `plain-${randomBytes(12).toString("hex")}`;
const ROTATED = `rotated-${randomBytes(12).toString("hex")}`;
const SEEN = `seen-${randomBytes(12).toString("hex")}`;
/** Secrets that change while the key does. */
const WRITTEN = 12;

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The files below the servers' folders that contain one of the texts, or their base64. */
function filesWith(servers: readonly string[], ...texts: string[]): string[] {
  const patterns = texts.flatMap((text) => [text, base64(text)]).map((text) => Buffer.from(text));
  return servers.flatMap((name) => {
    const folder = `/var/lib/trireme/${CLUSTER}/hosts/${name}`;
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return files.filter((file) => {
      const bytes = bytesOf(file);
      return patterns.some((pattern) => bytes.includes(pattern));
    });
  });
}

/** A file as it is; nothing for one that went away between two looks, as a temporary one does. */
function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return Buffer.alloc(0);
  }
}

function ringOf(server: string): { id: string; key: string }[] {
  const file = `/var/lib/trireme/${CLUSTER}/hosts/${server}/pki`;
  for (const path of [`${file}/shared/sealing.json`, `${file}/sealing.json`]) {
    try {
      return JSON.parse(readFileSync(path, "utf8")).keys;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error(`${server} has no ring of sealing keys`);
}

let servers: string[] = [];
let addresses: string[] = [];
let admin: Identity;

beforeAll(async () => {
  const now = await ensureCluster();
  servers = now.servers.map((server) => server.name);
  addresses = now.servers.map((server) => server.endpoints.https);
  const { ca, cert, key } = await adminCredentials();
  admin = { ca, cert, key };
  await kubectl("create", "namespace", NAMESPACE);
});

afterAll(async () => {
  await kubectl("delete", "namespace", NAMESPACE, "--wait=false");
});

describe("a Secret", () => {
  it("is in no file below any server's folder, neither plain nor in base64", async () => {
    await kubectl("-n", NAMESPACE, "create", "secret", "generic", "s", `--from-literal=value=${PLAIN}`);
    await kubectl("-n", NAMESPACE, "create", "configmap", "c", `--from-literal=value=${SEEN}`);
    await kubectl("-n", NAMESPACE, "annotate", "secret", "s", `of=${PLAIN}`);
    const value = await kubectl("-n", NAMESPACE, "get", "secret", "s", "-o", "jsonpath={.data.value}");
    expect(value).toBe(base64(PLAIN));
    // What is looked for in the same way and is not sealed is found on every server: the search can find.
    await within(10_000, "the ConfigMap is on every server's disk", () => {
      const found = filesWith(servers, SEEN);
      for (const name of servers) expect(found.some((file) => file.includes(`/${name}/store/`))).toBe(true);
    });
    expect(filesWith(servers, PLAIN)).toEqual([]);
  });

  it("is sealed with another key under writers and readers, who notice nothing", async () => {
    const before = ringOf(servers[0]!).map((key) => key.key);
    const last = new Map<string, string>();
    const failures: string[] = [];
    let stopped = false;
    let reads = 0;
    let writes = 0;
    const write = async (): Promise<void> => {
      for (let i = 0; !stopped; i++) {
        const name = `w${i % WRITTEN}`;
        const value = base64(`${ROTATED} ${i}`);
        const body = { metadata: { name, namespace: NAMESPACE }, data: { value } };
        const path = i < WRITTEN ? SECRETS : `${SECRETS}/${name}`;
        const method = i < WRITTEN ? "POST" : "PUT";
        const answer = await apiRequest(addresses[i % addresses.length]!, admin, { method, path, body });
        if (answer.status >= 300) failures.push(`${method} ${name}: ${answer.status} ${answer.body.message}`);
        else last.set(name, value);
        writes += 1;
      }
    };
    const read = async (): Promise<void> => {
      while (!stopped) {
        const got = await tryKubectl(["-n", NAMESPACE, "get", "secret", "s", "-o", "jsonpath={.data.value}"]);
        if (got.code !== 0 || got.stdout !== base64(PLAIN)) failures.push(`kubectl get: ${got.stderr}${got.stdout}`);
        reads += 1;
      }
    };
    const work = Promise.all([write(), read()]);
    await within(30_000, "all Secrets are written once", () => expect(last.size).toBe(WRITTEN));
    const rotated = await tri(["secrets", "rotate-key"]);
    const soFar = { reads, writes };
    await within(30_000, "reads and writes go on", () => {
      expect(reads).toBeGreaterThan(soFar.reads);
      expect(writes).toBeGreaterThan(soFar.writes);
    });
    stopped = true;
    await work;
    expect(failures).toEqual([]);
    expect(rotated, rotated.stdout + rotated.stderr).toMatchObject({ code: 0 });
    expect(rotated.stdout).toContain("made a new key");
    for (const [name, value] of last) {
      const got = await apiRequest(addresses[0]!, admin, { method: "GET", path: `${SECRETS}/${name}` });
      expect(got.body.data.value, name).toBe(value);
    }

    const [now] = ringOf(servers[0]!);
    for (const name of servers) expect(ringOf(name).map((key) => key.id)).toEqual([now!.id]);
    const told = await triOk("secrets", "status");
    expect(told).toContain(`key that seals  ${now!.id}`);
    expect(told).not.toContain("not sealed");
    expect(told.match(/\d+ Secrets/g)).toHaveLength(1);
    expect(filesWith(servers, PLAIN, ROTATED, ...before)).toEqual([]);
  });

  it("has a key that servers give to servers alone", async () => {
    const { servers: now } = await status();
    const path = "/trireme/v1/sealing/ring";
    const ask = (identity: Identity, headers = {}) =>
      apiRequest(now[0]!.endpoints.https, identity, { method: "GET", path, headers });
    expect((await ask(admin)).status).toBe(403);
    const disguised = { "impersonate-user": "x", "impersonate-group": "system:apiservers" };
    expect((await ask(admin, disguised)).status).toBe(403);
    expect((await ask(serverIdentity(CLUSTER, servers[0]!, "scheduler"))).status).toBe(403);
    expect((await ask(serverIdentity(CLUSTER, servers[0]!, "apiserver-client"))).status).toBe(200);
    const rotate = { method: "POST", path: "/trireme/v1/sealing/rotate" };
    const byScheduler = await apiRequest(addresses[0]!, serverIdentity(CLUSTER, servers[0]!, "scheduler"), rotate);
    expect(byScheduler.status).toBe(403);
  });
});
