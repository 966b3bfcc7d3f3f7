import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { TriremeError, errorFrom } from "@trireme/base";
import { type HostRole, writePrivateFile } from "@trireme/pki";
import { type ClusterPlan, type ClusterShape, PORTS, planCluster } from "../plan/cluster-plan.ts";
import type { HostFile } from "../plan/host-file.ts";

/** Where every local cluster of this machine has its folder. */
export const STATE_ROOT = "/var/lib/trireme";

/** Where a cluster's shape is recorded. */
export function clusterFile(name: string): string {
  return `${STATE_ROOT}/${name}/cluster.json`;
}

/** The plan of a cluster that was created, or nothing. */
export function findCluster(name: string): ClusterPlan | undefined {
  if (!existsSync(clusterFile(name))) return undefined;
  const shape = JSON.parse(readFileSync(clusterFile(name), "utf8")) as ClusterShape;
  return planCluster(shape, STATE_ROOT, roleIn);
}

/** What a host's folder says that it has become. */
function roleIn(dir: string): HostRole | undefined {
  const path = `${dir}/host.json`;
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as HostFile).role : undefined;
}

/** The plan of a cluster that must be there. */
export function readCluster(name: string): ClusterPlan {
  const plan = findCluster(name);
  if (plan !== undefined) return plan;
  const others = clusterNames();
  const hint = others.length === 0 ? "there is none" : `there are: ${others.join(", ")}`;
  throw new TriremeError(
    "NotFound",
    `no local cluster "${name}" (${hint}); ./tri up${name === "local" ? "" : ` --cluster ${name}`} makes it`,
  );
}

/** Names of all clusters of this machine. */
export function clusterNames(): string[] {
  if (!existsSync(STATE_ROOT)) return [];
  return readdirSync(STATE_ROOT).filter((name) => existsSync(clusterFile(name)));
}

/** Records a shape: new, or grown by nodes. */
export function writeShape(shape: ClusterShape): void {
  writePrivateFile(clusterFile(shape.name), `${JSON.stringify(shape, null, 2)}\n`);
}

/** Chooses what is free for a new cluster: a subnet, and two ports for the balancer. */
export async function createShape(name: string, servers: number, nodes: number): Promise<ClusterShape> {
  const others = clusterNames().map((other) => readCluster(other).shape);
  const shape = {
    name,
    index: freeIndex(others),
    servers,
    nodes,
    ...(servers === 0 ? { added: [] } : {}),
    ...(await freePorts(others)),
  };
  planCluster(shape, STATE_ROOT);
  return shape;
}

function freeIndex(others: readonly ClusterShape[]): number {
  const taken = new Set(others.map((shape) => shape.index));
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const match = /^172\.30\.(\d+)\./.exec(address);
      if (match !== null) taken.add(Number(match[1]));
    }
  }
  for (let index = 1; index < 255; index++) if (!taken.has(index)) return index;
  throw new TriremeError("ServiceUnavailable", "no subnet 172.30.N.0/24 is free; ./tri down --purge an old cluster");
}

/** How far beyond the standard ports to look; beyond it something else is wrong. */
const PORT_TRIES = 400;

async function freePorts(others: readonly ClusterShape[]): Promise<{ httpsPort: number; grpcPort: number }> {
  const taken = new Set(others.flatMap((shape) => [shape.httpsPort, shape.grpcPort]));
  const next = async (from: number): Promise<number> => {
    for (let port = from; port < from + PORT_TRIES; port++) {
      if (!taken.has(port) && (await isFree(port))) return port;
    }
    throw new TriremeError(
      "ServiceUnavailable",
      `no port from ${from} to ${from + PORT_TRIES - 1} is free on 127.0.0.1`,
    );
  };
  const httpsPort = await next(PORTS.https);
  return { httpsPort, grpcPort: await next(httpsPort + 1) };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/**
 * Holds a name for as long as this process lives, by listening on a socket in the abstract namespace: nothing on disk,
 * and nothing to clean up after a crash. Answers a function that lets go, or nothing when another process holds it.
 */
export function tryLock(name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(errorFrom(error));
    });
    server.listen(`\0trireme-${name}`, () => {
      server.unref();
      resolve(() => void server.close());
    });
  });
}
