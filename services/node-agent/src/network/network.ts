import { join } from "node:path";
import type { EndpointSlice, Node } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import type { AgentInformers } from "../informers.ts";
import type { AgentConfig } from "../config.ts";
import { createProxy } from "../proxy/proxy.ts";
import { conflist, mtuOf, prepareKernel, writeConflist } from "./pod-network.ts";
import { createRoutes } from "./routes.ts";

/** All that carries traffic on a node: CNI configuration, routes, Service rules. */
export interface Network {
  /** A newer Node of ours: the first with a pod CIDR makes pods possible. */
  onNode(node: Node): void;
  stop(): void;
}

const RETRY_MS = 1000;

/** Starts the node's network; it follows nodes, Services and slices from then on. */
export function startNetwork(options: {
  readonly config: AgentConfig;
  readonly informers: Pick<AgentInformers, "nodes" | "services" | "slices">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onSync: (seconds: number) => void;
  /** The proxy's rules are what these slices say. */
  readonly onApplied: (slices: readonly EndpointSlice[]) => void;
}): Network {
  const { config, clock, informers, log } = options;
  let podCidr: string | undefined;
  let configured = "";
  let stopped = false;

  const routes = createRoutes({ self: config.name, nodes: () => informers.nodes.list(), clock, log });
  const proxy = createProxy({
    nodeName: config.name,
    sources: {
      services: () => informers.services.list(),
      slices: () => informers.slices.list(),
      network: () => {
        const others = informers.nodes.list().flatMap((node) => node.spec?.podCIDR ?? []);
        const podCidrs = [...new Set([...others, ...(podCidr === undefined ? [] : [podCidr])])].toSorted();
        return { podCidrs, ...(podCidr === undefined ? {} : { podCidr }) };
      },
    },
    clock,
    log,
    onSync: options.onSync,
    onApplied: options.onApplied,
  });

  async function configure(cidr: string): Promise<void> {
    if (stopped || configured === cidr) return;
    try {
      const mtu = await mtuOf(config.address);
      await writeConflist(join(config.dir, "cni"), conflist(cidr, mtu, join(config.dir, "ipam")));
      configured = cidr;
      log.info("pod network configured", { podCidr: cidr, mtu });
    } catch (error) {
      log.error("the pod network could not be configured", { err: error });
      clock.after(RETRY_MS, () => void configure(cidr));
    }
  }

  function onNode(node: Node): void {
    const cidr = node.spec?.podCIDR;
    if (cidr === undefined || cidr === podCidr) return;
    podCidr = cidr;
    void configure(cidr);
    if (following) proxy.poke();
  }

  // Rules made from half the truth would refuse what they do not know yet: nothing is applied before all is read.
  let following = false;
  async function follow(): Promise<void> {
    await prepareKernel(log);
    await Promise.all([informers.nodes.synced, informers.services.synced, informers.slices.synced]);
    if (stopped) return;
    following = true;
    informers.nodes.onChange(({ object, type }) => {
      if (object.metadata.name === config.name && type !== "deleted") onNode(object);
      routes.poke();
      proxy.poke();
    });
    informers.services.onChange(() => proxy.poke());
    informers.slices.onChange(() => proxy.poke());
    routes.poke();
    proxy.poke();
  }
  void follow().catch((error: unknown) => log.error("the network could not be started", { err: error }));

  return {
    onNode,
    stop() {
      stopped = true;
      routes.stop();
      proxy.stop();
    },
  };
}
