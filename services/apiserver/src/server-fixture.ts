/** A whole apiserver with certificates of its own, over a store in memory: what the doors' tests call. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bus } from "@trireme/bus";
import {
  type Ca,
  SEALING_FILE,
  createCa,
  createSealingRing,
  createSigningKey,
  issue,
  sharedFolderOf,
  writeKeyPair,
  writePrivateFile,
} from "@trireme/pki";
import { createMemoryStore } from "@trireme/store-client";
import { silentLogger } from "@trireme/telemetry";
import { createApiserver } from "./app.ts";

/** Where a test may let an agent listen on the agents' own port: a loopback address that nobody else uses. */
export const AGENT_ADDRESS = "127.23.0.10";

/** A running server and where its certificates are. */
export interface ServerFixture {
  /** Holds `ca.crt` and the pairs of admin, node, scheduler and of a stranger from another CA. */
  readonly dir: string;
  /** Another pair of the cluster's CA (or, `foreign`, of a stranger's), as `file` in `dir`. */
  identity(file: string, name: { cn: string; san: string; foreign?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server on `port` (REST), `port + 1` (gRPC) and `port + 2` (metrics) of the loopback address. */
export async function startServer(port: number, bus?: Bus): Promise<ServerFixture> {
  const dir = mkdtempSync(join(tmpdir(), "apiserver-"));
  const ca = await createCa("test CA");
  writePrivateFile(join(dir, "ca.crt"), ca.cert);
  writePrivateFile(join(sharedFolderOf(dir), SEALING_FILE), createSealingRing());
  writePrivateFile(join(sharedFolderOf(dir), "sa.key"), await createSigningKey());
  await identity(dir, ca, "apiserver", "kube-apiserver");
  await identity(dir, ca, "apiserver-client", "system:apiserver:s1", "system:apiservers");
  await identity(dir, ca, "admin", "admin", "system:masters");
  await identity(dir, ca, "scheduler", "system:kube-scheduler");
  await identity(dir, ca, "node", "system:node:node1", "system:nodes");
  const foreignCa = await createCa("another CA");
  await identity(dir, foreignCa, "stranger", "admin", "system:masters");
  const server = await createApiserver(
    {
      name: "s1",
      address: "127.0.0.1",
      pkiDir: dir,
      storeEndpoints: [],
      apiServers: ["127.0.0.1:6443"],
      natsUrls: [],
      serversFile: undefined,
      serviceCidr: "10.96.0.0/16",
      podCidr: "10.244.0.0/16",
      nodePortRange: "30000-32767",
      clusterName: "test",
      restPort: port,
      grpcPort: port + 1,
      metricsPort: port + 2,
    },
    { store: createMemoryStore(), log: silentLogger, ...(bus === undefined ? {} : { bus }) },
  );
  await server.start();
  return {
    dir,
    identity: (file, { cn, san, foreign }) =>
      identity(dir, foreign === true ? foreignCa : ca, file, cn, "system:nodes", san),
    async stop() {
      await server.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

async function identity(dir: string, ca: Ca, file: string, cn: string, o?: string, san?: string): Promise<void> {
  const sans = ["127.0.0.1", san ?? (file === "node" ? AGENT_ADDRESS : "localhost")];
  const pair = await issue({ ca, cn, sans, server: true, client: true, ...(o === undefined ? {} : { o }) });
  writeKeyPair(dir, file, pair);
}
