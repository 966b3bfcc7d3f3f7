import type { EndpointSlice, Service } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import { runTool, tryTool } from "../network/tool.ts";
import type { NodeNetwork } from "./render.ts";
import { TABLE, renderTable } from "./render.ts";
import type { PortRule } from "./service-rules.ts";
import { portRules } from "./service-rules.ts";

/** What the proxy reads; each call answers the newest. */
export interface ProxySources {
  services(): readonly Service[];
  slices(): readonly EndpointSlice[];
  network(): NodeNetwork;
}

/** Keeps the node's traffic rules equal to what Services and EndpointSlices say. */
export interface Proxy {
  /** Something changed: rules are made anew, at once or after the gap. */
  poke(): void;
  /** Removes nothing: Services go on without the agent. */
  stop(): void;
}

/**
 * Two transactions are at least this far apart, and so many times what the last one took: a burst of endpoint changes
 * costs few, and the fewer the busier the machine is.
 */
const GAP_MS = 50;
const GAP_FACTOR = 2;
/** Rules are never older than this because of the pause. */
const MAX_GAP_MS = 500;
/** Rules are written again this often even unchanged: somebody may have flushed them. */
const REFRESH_MS = 30_000;
const RETRY_MS = 1000;

/** The Service proxy of one node, whose network namespace the process runs in. */
export function createProxy(options: {
  readonly nodeName: string;
  readonly sources: ProxySources;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onSync?: (seconds: number) => void;
  /** The kernel's rules are what these slices say. */
  readonly onApplied?: (slices: readonly EndpointSlice[]) => void;
}): Proxy {
  const { clock, log, sources } = options;
  let applied = "";
  let rules: readonly PortRule[] = [];
  let lastAt = Number.NEGATIVE_INFINITY;
  let gap = GAP_MS;
  let busy = false;
  let dirty = false;
  let stopped = false;
  let cancel: (() => void) | undefined;

  function schedule(wait: number): void {
    cancel?.();
    cancel = stopped ? undefined : clock.after(wait, () => void sync(wait === REFRESH_MS));
  }

  async function sync(verify: boolean): Promise<void> {
    if (busy) return;
    busy = true;
    dirty = false;
    lastAt = clock.monotonic();
    const slices = sources.slices();
    const next = portRules(sources.services(), slices, options.nodeName);
    const text = renderTable(next, sources.network());
    try {
      const intact = !verify || (await tryTool("nft", ["list", "chain", "ip", TABLE, "services"]));
      if (text !== applied || !intact) {
        await runTool("nft", ["-f", "-"], text);
        applied = text;
        await forgetFlows(rules, next);
        rules = next;
        const took = clock.monotonic() - lastAt;
        gap = Math.min(MAX_GAP_MS, Math.max(GAP_MS, took * GAP_FACTOR));
        options.onSync?.(took / 1000);
      }
      options.onApplied?.(slices);
      schedule(dirty ? gap : REFRESH_MS);
    } catch (error) {
      log.error("the service rules could not be applied", { err: error });
      schedule(RETRY_MS);
    } finally {
      busy = false;
    }
  }

  return {
    poke() {
      if (stopped || dirty) return;
      dirty = true;
      if (!busy) schedule(Math.max(0, gap - (clock.monotonic() - lastAt)));
    },
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}

/** UDP has no end that conntrack could see: flows to targets that are gone must be forgotten, or clients stay on them. */
async function forgetFlows(before: readonly PortRule[], after: readonly PortRule[]): Promise<void> {
  for (const { rule, ip } of staleFlows(before, after)) {
    const where = ["--orig-dst", rule.clusterIP, "--orig-port-dst", String(rule.port), "--reply-src", ip];
    await tryTool("conntrack", ["-D", "-p", "udp", ...where]);
    if (rule.nodePort !== undefined) {
      await tryTool("conntrack", ["-D", "-p", "udp", "--orig-port-dst", String(rule.nodePort), "--reply-src", ip]);
    }
  }
}

/** The UDP targets that `before` had and `after` has not. Pure. */
export function staleFlows(
  before: readonly PortRule[],
  after: readonly PortRule[],
): { readonly rule: PortRule; readonly ip: string }[] {
  const out: { rule: PortRule; ip: string }[] = [];
  const now = new Map(after.map((rule) => [`${rule.key}/${rule.clusterIP}/${rule.port}`, rule]));
  for (const rule of before) {
    if (rule.protocol !== "udp") continue;
    const kept = new Set(now.get(`${rule.key}/${rule.clusterIP}/${rule.port}`)?.targets.map((target) => target.ip));
    for (const target of rule.targets) if (!kept.has(target.ip)) out.push({ rule, ip: target.ip });
  }
  return out;
}
