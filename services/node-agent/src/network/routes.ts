import type { Node } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import { watchKernelNetwork } from "./kernel-events.ts";
import { runTool } from "./tool.ts";

/** Marks routes as ours (`ip route ... proto`), so that we never touch another's. */
const PROTO = "84";
/** Routes are compared with the kernel's this often, whether or not it told of a change. */
const REFRESH_MS = 5000;
/**
 * An interface that goes takes its routes with it, of which the kernel says nothing; that it comes back is told in several
 * messages within this time. Until the routes are back no pod of another node can be reached.
 */
const SETTLE_MS = 20;

/** A way to the pods of another node. */
export interface Route {
  readonly cidr: string;
  readonly via: string;
}

/** The address by which other nodes reach a node. */
export function internalIP(node: Node): string | undefined {
  return node.status?.addresses?.find((address) => address.type === "InternalIP")?.address;
}

/** The routes that this node should have: one to each other node's pods. Pure. */
export function wantedRoutes(nodes: readonly Node[], self: string): Route[] {
  return nodes.flatMap((node) => {
    const via = internalIP(node);
    const cidr = node.spec?.podCIDR;
    return node.metadata.name === self || via === undefined || cidr === undefined ? [] : [{ cidr, via }];
  });
}

/** The commands that turn the kernel's routes into the wanted ones. Pure. */
export function routeCommands(wanted: readonly Route[], present: readonly Route[]): string[] {
  const have = new Map(present.map((route) => [route.cidr, route.via]));
  const want = new Set(wanted.map((route) => route.cidr));
  return [
    ...present.filter((route) => !want.has(route.cidr)).map((route) => `route del ${route.cidr} proto ${PROTO}`),
    ...wanted
      .filter((route) => have.get(route.cidr) !== route.via)
      .map((route) => `route replace ${route.cidr} via ${route.via} proto ${PROTO}`),
  ];
}

/** Keeps the routes to other nodes' pods, from the first poke on: until all nodes are known every route would look like a leftover. */
export function createRoutes(options: {
  readonly self: string;
  readonly nodes: () => readonly Node[];
  readonly clock: Clock;
  readonly log: Logger;
}): { poke(): void; stop(): void } {
  const { clock, log } = options;
  let cancel: (() => void) | undefined;
  let busy = false;
  let again = false;
  let settling = false;
  let stopped = false;

  async function sync(): Promise<void> {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        const shown = JSON.parse(await runTool("ip", ["-j", "route", "show", "proto", PROTO])) as {
          dst: string;
          gateway?: string;
        }[];
        const present = shown.map((route) => ({ cidr: route.dst, via: route.gateway ?? "" }));
        const commands = routeCommands(wantedRoutes(options.nodes(), options.self), present);
        if (commands.length > 0) await runTool("ip", ["-force", "-batch", "-"], `${commands.join("\n")}\n`);
      } while (again);
    } catch (error) {
      log.warn("the routes to other nodes' pods could not be set", { err: error });
    } finally {
      busy = false;
      cancel?.();
      cancel = stopped ? undefined : clock.after(REFRESH_MS, () => void sync());
    }
  }

  let kernel: { stop(): void } | undefined;
  function onKernelChange(): void {
    if (settling || stopped) return;
    settling = true;
    clock.after(SETTLE_MS, () => {
      settling = false;
      if (!stopped) void sync();
    });
  }

  return {
    poke() {
      kernel ??= watchKernelNetwork({ onChange: onKernelChange, clock, log });
      void sync();
    },
    stop() {
      stopped = true;
      kernel?.stop();
      cancel?.();
    },
  };
}
