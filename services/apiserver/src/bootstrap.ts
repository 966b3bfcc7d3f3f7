import { TriremeError, errorFrom, hasCode, sleep } from "@trireme/base";
import {
  ENDPOINTSLICES,
  type EndpointSlice,
  type KubeObject,
  LOCAL_PATH_PROVISIONER,
  NAMESPACES,
  type Resource,
  SERVICES,
  STORAGECLASSES,
  type Service,
  type StorageClass,
} from "@trireme/api";
import type { Logger } from "@trireme/telemetry";
import { APISERVER } from "./auth/user.ts";
import { ensureDefaultPolicy } from "./auth/rbac/ensure-default-policy.ts";
import type { HostRecord } from "./join/decide.ts";
import { freshHosts, writeHost } from "./join/hosts.ts";
import type { RequestPipeline } from "./pipeline/pipeline.ts";
import type { Caller } from "./pipeline/request.ts";
import { deepEqual } from "./registry/equality.ts";
import { formatAddress, parseBlock } from "./registry/ipv4.ts";
import type { ConsistentReads } from "./storage/consistent-reads.ts";
import type { WatchCache } from "./storage/watch-cache.ts";

const SYSTEM_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 5000;

const CALLER: Caller = { user: APISERVER, userAgent: "trireme-apiserver" };

/** What the cluster is told of itself. */
export interface BootstrapOptions {
  readonly pipeline: RequestPipeline;
  readonly cache: WatchCache;
  readonly reads: ConsistentReads;
  readonly serviceCidr: string;
  /** `host:port` of every server's REST API. */
  readonly apiServers: readonly string[];
  /** This server, in case that it is the cluster's first. */
  readonly founder: HostRecord | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Brings about the objects that every cluster has. Safe to repeat, by all servers at once; tries until it is done. */
export async function bootstrap(options: BootstrapOptions): Promise<void> {
  let delay = RETRY_MIN_MS;
  for (;;) {
    try {
      await ensureAll(options);
      return;
    } catch (thrown) {
      if (options.signal.aborted) return;
      options.log.warn("bootstrap objects not written yet, trying again", { err: thrown, delayMs: delay });
    }
    try {
      await sleep(delay, options.signal);
    } catch (thrown) {
      options.log.debug("bootstrap stops", { err: errorFrom(thrown) });
      return;
    }
    delay = Math.min(delay * 2, RETRY_MAX_MS);
  }
}

async function ensureAll(options: BootstrapOptions): Promise<void> {
  const { pipeline, cache, reads, serviceCidr, apiServers, founder } = options;
  for (const name of SYSTEM_NAMESPACES) {
    await createOnce(pipeline, NAMESPACES as Resource, undefined, { metadata: { name } });
  }
  // Before all else, since machines may want to join at once. The first server has nobody to join; whoever comes later has its
  // record before it starts, and from then on the list of servers is kept by those that have joined.
  if (!(await freshHosts(cache, reads)).some((host) => host.role === "server")) {
    await ensureEndpoints(pipeline, apiServers);
    if (founder !== undefined) await writeHost(pipeline, founder, Date.now());
  }
  await ensureDefaultPolicy(pipeline, CALLER);
  await createOnce(pipeline, SERVICES as Resource, "default", kubernetesService(serviceCidr));
  await createOnce(pipeline, STORAGECLASSES as Resource, undefined, LOCAL_PATH);
}

/** The built-in class: a directory of the node on which the claim's first pod runs. */
const LOCAL_PATH: StorageClass = {
  metadata: { name: "local-path", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: LOCAL_PATH_PROVISIONER,
  reclaimPolicy: "Delete",
  volumeBindingMode: "WaitForFirstConsumer",
};

async function createOnce(
  pipeline: RequestPipeline,
  resource: Resource,
  namespace: string | undefined,
  object: KubeObject,
): Promise<void> {
  try {
    // Looked at first: on every start but the very first there is nothing to write.
    await pipeline.get(CALLER, { resource, namespace, name: object.metadata.name! });
    return;
  } catch (thrown) {
    if (!hasCode(thrown, "NotFound")) throw thrown;
  }
  try {
    await pipeline.create(CALLER, { resource, namespace }, object, {});
  } catch (thrown) {
    // Another server was faster.
    if (!hasCode(thrown, "AlreadyExists")) throw thrown;
  }
}

function kubernetesService(serviceCidr: string): Service {
  const first = formatAddress(parseBlock(serviceCidr).first + 1);
  return {
    metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      type: "ClusterIP",
      clusterIP: first,
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: 6443 }],
    },
  } as Service;
}

async function ensureEndpoints(pipeline: RequestPipeline, apiServers: readonly string[]): Promise<void> {
  const resource = ENDPOINTSLICES as Resource;
  const wanted = kubernetesEndpoints(apiServers);
  const target = { resource, namespace: "default", name: "kubernetes" };
  await createOnce(pipeline, resource, "default", wanted);
  const present = (await pipeline.get(CALLER, target)).object as EndpointSlice;
  if (deepEqual(addressesOf(present), addressesOf(wanted)) && deepEqual(present.ports, wanted.ports)) return;
  const { endpoints, ports } = wanted;
  await pipeline.patch(CALLER, target, { type: "merge", body: { endpoints, ports } });
}

function addressesOf(slice: EndpointSlice): string[] {
  return (slice.endpoints ?? []).flatMap((one) => one.addresses ?? []).toSorted();
}

function kubernetesEndpoints(apiServers: readonly string[]): EndpointSlice {
  const hosts = apiServers.map((one) => one.slice(0, one.lastIndexOf(":")));
  const port = Number(apiServers[0]?.slice(apiServers[0].lastIndexOf(":") + 1));
  if (!Number.isInteger(port)) throw new TriremeError("BadRequest", "no api server addresses are configured");
  return {
    metadata: { name: "kubernetes", namespace: "default", labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: "IPv4",
    endpoints: [...new Set(hosts)].map((host) => ({ addresses: [host], conditions: { ready: true } })),
    ports: [{ name: "https", port, protocol: "TCP" }],
  } as EndpointSlice;
}
