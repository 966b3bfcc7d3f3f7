import type { Lease, Node } from "@trireme/api";
import { LEASES, NODES, formatMicroTime } from "@trireme/api";
import type { Clock } from "@trireme/base";
import { errorFrom, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { Logger } from "@trireme/telemetry";
import type { MachineFacts, NodeHealth } from "./node-object.ts";
import { annotationsOf, labelsOf, newNode, nodeStatus } from "./node-object.ts";

/** Namespace of the Leases by which nodes say that they live. */
const LEASE_NAMESPACE = "kube-node-lease";
const LEASE_SECONDS = 40;
/** Between two renewals of the Lease; it is for tools, and for us only while the bus is down. */
const LEASE_MS = 10_000;
const LEASE_WITHOUT_BUS_MS = 2000;
/** The status is looked at this often and written when it changed, or when this old. */
const STATUS_CHECK_MS = 1000;
const STATUS_WRITE_MS = 60_000;
const MAX_CONFLICTS = 4;
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 2000;

/** Keeps the node's objects in the API: the Node, its status, its Lease. */
export interface Registration {
  /** Resolves with the Node once the API has it, with its pod CIDR. Tries for ever. */
  start(): Promise<Node>;
  /** Looks at the status now instead of in a second. */
  poke(): void;
  stop(): void;
}

/** What registration needs of the agent. */
export interface RegistrationOptions {
  readonly client: ApiClient;
  readonly machine: MachineFacts;
  readonly health: () => Promise<NodeHealth>;
  readonly busConnected: () => boolean;
  /** The Node as the informer shows it: others write it too, e.g. that we are not to be heard. */
  readonly seen: () => Node | undefined;
  /** Called with each newer Node that the API answers. */
  readonly onNode: (node: Node) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The registration of one node. */
export function createRegistration(options: RegistrationOptions): Registration {
  const { client, clock, log, machine } = options;
  const nodes = client.resource<Node>(NODES);
  const leases = client.resource<Lease>(LEASES, LEASE_NAMESPACE);
  let stopped = false;
  let node: Node | undefined;
  let lease: Lease | undefined;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let cancel: (() => void) | undefined;

  const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

  async function register(): Promise<Node> {
    const health = await options.health();
    try {
      return await nodes.create(newNode(machine, health, clock.now()));
    } catch (error) {
      if (!hasCode(error, "AlreadyExists") && !hasCode(error, "Unknown")) throw error;
      const existing = await nodes.get(machine.name);
      const [labels, annotations] = [labelsOf(machine), annotationsOf(machine)];
      const same =
        Object.entries(labels).every(([key, value]) => existing.metadata.labels?.[key] === value) &&
        Object.entries(annotations).every(([key, value]) => existing.metadata.annotations?.[key] === value);
      if (same) return existing;
      return nodes.patch(machine.name, { type: "merge", body: { metadata: { labels, annotations } } });
    }
  }

  async function writeStatus(): Promise<void> {
    for (let attempt = 1; node !== undefined; attempt++) {
      node = newer(node, options.seen());
      const status = nodeStatus(machine, await options.health(), node.status, clock.now());
      const due = clock.monotonic() - writtenAt >= STATUS_WRITE_MS;
      if (!due && comparable(status) === comparable(node.status)) return;
      try {
        node = await nodes.updateStatus({ ...node, status });
        writtenAt = clock.monotonic();
        options.onNode(node);
        return;
      } catch (error) {
        // Someone deleted the node or wrote it meanwhile: once more from the object as it is now.
        if (hasCode(error, "NotFound")) node = await register();
        else if (hasCode(error, "Conflict") && attempt < MAX_CONFLICTS) node = await nodes.get(machine.name);
        else throw error;
        options.onNode(node);
      }
    }
  }

  async function renewLease(): Promise<void> {
    const every = options.busConnected() ? LEASE_MS : LEASE_WITHOUT_BUS_MS;
    if (node === undefined || clock.monotonic() - renewedAt < every) return;
    const spec = {
      holderIdentity: machine.name,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: formatMicroTime(clock.now()),
    };
    for (let attempt = 1; ; attempt++) {
      try {
        lease = await (lease === undefined ? firstLease(spec) : leases.update({ ...lease, spec }));
        break;
      } catch (error) {
        lease = undefined;
        // Acknowledgements change it too, another life of ours may have, or a write whose answer was lost.
        const mayPass = ["Conflict", "NotFound", "AlreadyExists", "Unknown"].includes(errorFrom(error).code);
        if (!mayPass || attempt >= MAX_CONFLICTS) throw error;
      }
    }
    renewedAt = clock.monotonic();
  }

  async function firstLease(spec: Lease["spec"]): Promise<Lease> {
    const owner = { apiVersion: "v1", kind: "Node", name: machine.name, uid: node?.metadata.uid ?? "" };
    const metadata = { name: machine.name, namespace: LEASE_NAMESPACE, ownerReferences: [owner] };
    try {
      const existing = await leases.get(machine.name);
      return await leases.update({ ...existing, spec });
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
      return leases.create({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec });
    }
  }

  async function check(): Promise<void> {
    try {
      await writeStatus();
      await renewLease();
      if (failures > 0) log.info("the API answers again", { failures });
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures === 1) log.warn("the node's status could not be written", { err: error });
    }
    schedule(STATUS_CHECK_MS);
  }

  function schedule(ms: number): void {
    cancel?.();
    cancel = stopped ? undefined : clock.after(ms, () => void check());
  }

  return {
    async start() {
      for (let attempt = 0; ; attempt++) {
        try {
          node = await register();
          log.info("node registered", { podCidr: node.spec?.podCIDR });
          options.onNode(node);
          schedule(0);
          return node;
        } catch (error) {
          if (attempt % 20 === 0) log.warn("the node could not be registered yet", { err: error });
          await pause(Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)));
        }
      }
    },
    poke: () => schedule(0),
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}

function newer(own: Node, seen: Node | undefined): Node {
  if (seen === undefined || seen.metadata.uid !== own.metadata.uid) return own;
  return Number(seen.metadata.resourceVersion ?? 0) > Number(own.metadata.resourceVersion ?? 0) ? seen : own;
}

/** The status without what changes at each look: only a real change is worth a write. */
function comparable(status: Node["status"]): string {
  const conditions = status?.conditions?.map((condition) => ({ ...condition, lastHeartbeatTime: "" }));
  return JSON.stringify({ ...status, conditions: conditions?.toSorted((a, b) => (a.type < b.type ? -1 : 1)) });
}
