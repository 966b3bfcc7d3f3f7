import { join } from "node:path";
import { Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import { type ApplyResponse, ManifestServiceClient } from "@trireme/proto/trireme/api/v1/manifest";
import { sleep } from "@trireme/base";
import { kubectlPath } from "../e2e/cluster.ts";
import { run } from "../e2e/process.ts";
import type { Access } from "./access.ts";

/** Where the writers write. */
export const NAMESPACE = "chaos";

/** What became of one client's writes so far. */
export interface WriteCount {
  acknowledged: number;
  failed: number;
  /** The longest time between two acknowledgements, ms. */
  longestGapMs: number;
}

/** Clients that create ConfigMaps, each under a new name and with a value of its own. */
export interface Writers {
  /** Every write that was acknowledged, by name. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Counts since the last call, by client. */
  count(): Readonly<Record<string, WriteCount>>;
  stop(): Promise<void>;
}

/** So long a client waits for an answer before it asks another server. */
const TIMEOUT_MS = 3_000;
/** Between two writes: the first costs a process each time, and the machine has few processors. */
const PAUSES_MS = { kubectl: 1_000, grpc: 50 } as const;

/**
 * Starts a kubectl writer and a gRPC writer. Each asks one server until that fails, then the next. A write that failed may
 * or may not have happened; it is counted and never repeated.
 */
export function startWriters(access: Access, servers: readonly string[], prefix: string): Writers {
  const acknowledged = new Map<string, string>();
  const writers = [
    startWriter("kubectl", kubectlWriter(access, servers)),
    startWriter("grpc", grpcWriter(access, servers)),
  ];

  function startWriter(via: keyof typeof PAUSES_MS, write: Write) {
    let turn = 0;
    let stopped = false;
    let last = performance.now();
    let counts: WriteCount = { acknowledged: 0, failed: 0, longestGapMs: 0 };
    const loop = (async () => {
      for (let i = 0; !stopped; i++) {
        const name = `${prefix}-${via}-${i}`;
        try {
          await write.create(turn % servers.length, name, String(i));
          acknowledged.set(name, String(i));
          counts.acknowledged += 1;
          counts.longestGapMs = Math.max(counts.longestGapMs, Math.round(performance.now() - last));
          last = performance.now();
        } catch {
          counts.failed += 1;
          turn += 1;
        }
        await sleep(PAUSES_MS[via]);
      }
      write.close();
    })();
    return {
      via,
      count(): WriteCount {
        const now = { ...counts, longestGapMs: Math.max(counts.longestGapMs, Math.round(performance.now() - last)) };
        counts = { acknowledged: 0, failed: 0, longestGapMs: 0 };
        return now;
      },
      stop(): Promise<void> {
        stopped = true;
        return loop;
      },
    };
  }

  return {
    acknowledged,
    count: () => Object.fromEntries(writers.map((writer) => [writer.via, writer.count()])),
    stop: async () => void (await Promise.all(writers.map((writer) => writer.stop()))),
  };
}

/** One way to write; resolves when the write was acknowledged. */
interface Write {
  create(server: number, name: string, value: string): Promise<void>;
  close(): void;
}

function kubectlWriter({ kubeconfig }: Access, servers: readonly string[]): Write {
  const cache = join(kubeconfig, "../kube-cache");
  return {
    async create(server, name, value) {
      const where = [`--server=https://${servers[server]}:6443`, `--request-timeout=${TIMEOUT_MS / 1000}s`];
      const what = ["create", "configmap", name, "-n", NAMESPACE, `--from-literal=value=${value}`, "--validate=false"];
      const args = ["--cache-dir", cache, ...where, ...what];
      const done = await run(await kubectlPath(), args, { env: { KUBECONFIG: kubeconfig }, timeoutMs: 2 * TIMEOUT_MS });
      if (done.code !== 0) throw new Error(done.stderr);
    },
    close: () => undefined,
  };
}

function grpcWriter({ ca, admin }: Access, servers: readonly string[]): Write {
  const identity = credentials.createSsl(Buffer.from(ca), Buffer.from(admin.key), Buffer.from(admin.cert));
  // A connection to a machine that was cut off is given up at once when its turn is over.
  const options = { "grpc.ssl_target_name_override": "localhost", "grpc.initial_reconnect_backoff_ms": 100 };
  const clients = servers.map((server) => new ManifestServiceClient(`${server}:6444`, identity, options));
  return {
    create(server, name, value) {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: NAMESPACE }, data: { value } };
      const manifest = Buffer.from(JSON.stringify(object));
      const request = {
        manifest,
        fieldManager: "chaos",
        force: false,
        dryRun: false,
        namespace: NAMESPACE,
        readable: false,
      };
      return new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, response?: ApplyResponse): void => {
          const outcome = response?.results[0]?.outcome;
          if (error !== null) reject(error);
          else if (outcome === "created") resolve();
          else reject(new Error(`outcome ${outcome}`));
        };
        clients[server]!.apply(request, new Metadata(), { deadline: Date.now() + TIMEOUT_MS }, done);
      });
    },
    close: () => clients.forEach((client) => client.close()),
  };
}
