import {
  ENDPOINTSLICES,
  type Endpoint,
  type EndpointSlice,
  LEASES,
  type Lease,
  type Resource,
  formatMicroTime,
} from "@trireme/api";
import { type Clock, hasCode } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import { deepEqual } from "../registry/equality.ts";
import type { ConsistentReads } from "../storage/consistent-reads.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import type { HostRecord } from "./decide.ts";
import { JOIN_CALLER, freshHosts } from "./hosts.ts";

/** Each server says this often that it lives. */
const RENEW_MS = 4_000;
/** One whose Lease stood still for this long, by our own clock, is not ready. Three renewals, and a busy machine's delay. */
const DEAD_AFTER_MS = 13_000;

const NAMESPACE = "kube-system";
/** As Kubernetes names and labels the Leases of its apiservers. */
const LEASE_PREFIX = "apiserver-";
const LEASE_LABELS = { "apiserver.kubernetes.io/identity": "kube-apiserver" };
const SLICE = { resource: ENDPOINTSLICES as Resource, namespace: "default", name: "kubernetes" };

/** What the list stands on. */
export interface ServerListParts {
  readonly pipeline: RequestPipeline;
  readonly cache: WatchCache;
  readonly reads: ConsistentReads;
  readonly clock: Clock;
  readonly log: Logger;
  readonly name: string;
  readonly restPort: number;
  /** Called when this server's own record has gone: it was removed, and nobody should be served by it. */
  readonly onRemoved: () => void;
}

/**
 * Keeps EndpointSlice `default/kubernetes` true: one endpoint for each server that has joined and was not removed, ready while
 * its Lease is renewed. Every server keeps it; who finds it right writes nothing. It is where everybody, ours and pods, learns
 * which servers there are.
 */
export class ServerList {
  private readonly parts: ServerListParts;
  /** When each Lease was last seen to change, by our own clock: the servers' clocks need not agree. */
  private readonly seen = new Map<string, { readonly version: string; readonly atMs: number }>();
  private cancel: (() => void) | undefined;
  private stopped = false;

  constructor(parts: ServerListParts) {
    this.parts = parts;
  }

  start(): void {
    void this.turn();
  }

  /** Says at once that this server is going, so that nobody has to wait for its silence. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    const target = { resource: LEASES as Resource, namespace: NAMESPACE, name: LEASE_PREFIX + this.parts.name };
    try {
      await this.parts.pipeline.delete(JOIN_CALLER, target, {});
    } catch (thrown) {
      this.parts.log.debug("the own lease was not deleted", { err: thrown });
    }
  }

  private async turn(): Promise<void> {
    try {
      await this.renew();
      await this.reconcile();
    } catch (thrown) {
      this.parts.log.debug("the list of servers was not kept", { err: thrown });
    }
    if (!this.stopped) this.cancel = this.parts.clock.after(RENEW_MS, () => void this.turn());
  }

  private async renew(): Promise<void> {
    const { clock, name, pipeline } = this.parts;
    const target = { resource: LEASES as Resource, namespace: NAMESPACE };
    const lease = LEASE_PREFIX + name;
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: Math.ceil(DEAD_AFTER_MS / 1000),
      renewTime: formatMicroTime(clock.now()),
    };
    try {
      await pipeline.patch(JOIN_CALLER, { ...target, name: lease }, { type: "merge", body: { spec } });
    } catch (thrown) {
      if (!hasCode(thrown, "NotFound")) throw thrown;
      const metadata = { name: lease, namespace: NAMESPACE, labels: LEASE_LABELS };
      await pipeline.create(JOIN_CALLER, target, { metadata, spec } as Lease, {});
    }
  }

  private async reconcile(): Promise<void> {
    const { cache, log, name, pipeline, reads, restPort } = this.parts;
    const servers = (await freshHosts(cache, reads)).filter((host) => host.role === "server");
    // An apiserver that runs without a machine of its own, as in tests, is no server of anybody's list.
    if (servers.length === 0) return;
    if (!servers.some((server) => server.name === name)) {
      log.warn("this server was removed from the cluster: stop it", { server: name });
      this.stopped = true;
      this.parts.onRemoved();
      return;
    }
    const { object } = await pipeline.get(JOIN_CALLER, SLICE);
    const slice = object as EndpointSlice;
    const endpoints = endpointsOf(servers, (name) => this.isAlive(name));
    if (deepEqual(slice.endpoints ?? [], endpoints) && slice.ports?.[0]?.port === restPort) return;
    const ports = [{ name: "https", port: restPort, protocol: "TCP" as const }];
    await pipeline.update(JOIN_CALLER, SLICE, { ...slice, endpoints, ports }, {});
  }

  private isAlive(name: string): boolean {
    const { cache, clock } = this.parts;
    const lease = cache.of(LEASES as Resource).get(`${NAMESPACE}/${LEASE_PREFIX}${name}`)?.object;
    if (lease === undefined) return name === this.parts.name;
    const version = lease.metadata.resourceVersion ?? "";
    const before = this.seen.get(name);
    if (before?.version !== version) {
      this.seen.set(name, { version, atMs: clock.monotonic() });
      return true;
    }
    return clock.monotonic() - before.atMs < DEAD_AFTER_MS;
  }
}

/** The endpoints of a list of servers, in the order of their names. */
export function endpointsOf(servers: readonly HostRecord[], isAlive: (name: string) => boolean): Endpoint[] {
  return servers
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, address }) => {
      const ready = isAlive(name);
      return { addresses: [address], conditions: { ready }, hostname: name };
    });
}
