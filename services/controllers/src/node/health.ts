/** A node that the bus carried heartbeats of is lost after so much silence. Five beats: one lost message is nothing. */
export const HEARTBEAT_GRACE_MS = 5_000;
/** A node known by its Lease and status alone is lost after so much silence; the Lease is renewed each 10 s. */
export const LEASE_GRACE_MS = 40_000;
/** If this share of the nodes is lost at once, the fault is more likely ours, or too large for moving pods to help. */
export const MASS_LOSS_SHARE = 0.55;

// Beats come each second: a sign of life through the API so long after the last one shows that beats are missing.
const BUS_SILENCE_MS = 2_500;

interface Heard {
  /** The last beat over the bus since the bus was last connected: only then silence of the bus means something. */
  beatMs: number | undefined;
  /** The last sign of life through the API, or the time from which patience counts. */
  apiMs: number;
  renewTime: string | undefined;
  statusTime: string | undefined;
}

/**
 * When each node was last heard, by this process's own monotonic clock. Pure: time comes in as an argument. Clocks of
 * other machines are never compared, only whether their stamps changed.
 */
export class NodeHealth {
  private readonly nodes = new Map<string, Heard>();

  /** A node exists; it is counted as heard when it is first seen. */
  known(node: string, now: number): void {
    this.entry(node, now);
  }

  /** A heartbeat came over the bus. */
  beat(node: string, now: number): void {
    const entry = this.nodes.get(node);
    if (entry === undefined) return;
    entry.beatMs = now;
  }

  /** The node's Lease as the cache shows it. */
  lease(node: string, renewTime: string | undefined, now: number): void {
    const entry = this.nodes.get(node);
    if (entry === undefined || renewTime === undefined || entry.renewTime === renewTime) return;
    entry.renewTime = renewTime;
    entry.apiMs = now;
  }

  /** The agent's own time stamp in the node's status as the cache shows it. */
  status(node: string, statusTime: string | undefined, now: number): void {
    const entry = this.entry(node, now);
    if (statusTime === undefined || entry.statusTime === statusTime) return;
    entry.statusTime = statusTime;
    entry.apiMs = now;
  }

  forget(node: string): void {
    this.nodes.delete(node);
  }

  /** The bus is gone: from now on its silence means nothing, until each node has beaten again. */
  busLost(): void {
    for (const entry of this.nodes.values()) {
      entry.apiMs = Math.max(entry.apiMs, entry.beatMs ?? 0);
      entry.beatMs = undefined;
    }
  }

  /** A new office begins: whoever was not heard while nobody listened gets the full time again. */
  grace(now: number): void {
    for (const entry of this.nodes.values()) {
      if (entry.beatMs !== undefined) entry.beatMs = now;
      entry.apiMs = now;
    }
  }

  /** Milliseconds until the node counts as lost if it stays silent; 0 or less: it is lost. */
  msUntilLost(node: string, now: number): number {
    const entry = this.nodes.get(node);
    if (entry === undefined) return LEASE_GRACE_MS;
    const { beatMs, apiMs } = entry;
    const last = Math.max(apiMs, beatMs ?? 0);
    // A node that still reaches the API after it fell silent on the bus has lost the bus alone.
    const byBus = beatMs !== undefined && apiMs <= beatMs + BUS_SILENCE_MS && !this.isBusDoubtful(now);
    return last + (byBus ? HEARTBEAT_GRACE_MS : LEASE_GRACE_MS) - now;
  }

  /** Most nodes fell silent on the bus at once: that is a fault of the bus or of this server, until leases say otherwise. */
  private isBusDoubtful(now: number): boolean {
    const beating = [...this.nodes.values()].flatMap(({ beatMs }) => (beatMs === undefined ? [] : [beatMs]));
    const silent = beating.filter((beatMs) => now - beatMs >= HEARTBEAT_GRACE_MS);
    return silent.length > 0 && silent.length / beating.length >= MASS_LOSS_SHARE;
  }

  private entry(node: string, now: number): Heard {
    let entry = this.nodes.get(node);
    if (entry === undefined) {
      entry = { beatMs: undefined, apiMs: now, renewTime: undefined, statusTime: undefined };
      this.nodes.set(node, entry);
    }
    return entry;
  }
}
