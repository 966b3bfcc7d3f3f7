import type { Command, Compare, Op } from "@trireme/mvcc";

/** A key as the model holds it. */
export interface ModelKey {
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

/** What a command comes to. */
export interface ModelOutcome {
  readonly revision: number;
  readonly failed: boolean;
  /** What changed, as watchers hear it; empty when nothing did. */
  readonly events: readonly string[];
}

/** An event as the simulation compares it. */
export function eventText(kv: { key: string; version: number; modRevision: number; value: Uint8Array }): string {
  if (kv.version === 0) return `-${kv.key}@${kv.modRevision}`;
  return `+${kv.key}=${Buffer.from(kv.value).toString("latin1")}@${kv.modRevision}`;
}

/** A key's state as the simulation compares it. */
export function stateText(value: string, mod: number, version: number): string {
  return `${value}@${mod}.${version}`;
}

/**
 * The store's meaning, written a second time and as plainly as possible: a map that is copied with every revision. It knows
 * nothing of libs/mvcc, so that a mistake there shows as a difference.
 */
export class Model {
  private keys = new Map<string, ModelKey>();
  private readonly leases = new Set<bigint>();
  private compacted = 0;
  revision = 1;
  /** All keys at each revision. */
  readonly states: ReadonlyMap<string, ModelKey>[] = [new Map(), new Map()];

  get leaseCount(): number {
    return this.leases.size;
  }

  hasLease(id: bigint): boolean {
    return this.leases.has(id);
  }

  apply(command: Command | undefined): ModelOutcome {
    const before = new Map(this.keys);
    const events: string[] = [];
    const failed = command !== undefined && !this.run(command, events);
    if (failed) {
      this.keys = before;
      return { revision: this.revision, failed, events: [] };
    }
    if (events.length > 0) {
      this.revision += 1;
      this.states[this.revision] = new Map(this.keys);
    }
    return { revision: this.revision, failed, events };
  }

  private run(command: Command, events: string[]): boolean {
    switch (command.type) {
      case "put":
      case "deleteRange":
      case "txn":
        return this.write(command, events);
      case "compact":
        if (command.revision > this.revision || command.revision <= this.compacted) return false;
        this.compacted = command.revision;
        return true;
      case "leaseGrant":
        if (this.leases.has(command.id)) return false;
        this.leases.add(command.id);
        return true;
      case "leaseRevoke": {
        if (!this.leases.delete(command.id)) return false;
        const attached = [...this.keys].filter(([, { lease }]) => lease === command.id).map(([key]) => key);
        for (const key of attached.sort()) this.remove(key, events);
        return true;
      }
      default:
        return true;
    }
  }

  private write(op: Op, events: string[]): boolean {
    const at = this.revision + 1;
    switch (op.type) {
      case "range":
        return true;
      case "put": {
        if (op.lease !== 0n && !this.leases.has(op.lease)) return false;
        const old = this.keys.get(op.key);
        const value = Buffer.from(op.value).toString("latin1");
        const version = (old?.version ?? 0) + 1;
        this.keys.set(op.key, { value, create: old?.create ?? at, mod: at, version, lease: op.lease });
        events.push(`+${op.key}=${value}@${at}`);
        return true;
      }
      case "deleteRange": {
        const found = [...this.keys.keys()].filter((key) =>
          op.rangeEnd === "" ? key === op.key : key >= op.key && (op.rangeEnd === "\0" || key < op.rangeEnd),
        );
        for (const key of found.sort()) this.remove(key, events);
        return true;
      }
      case "txn": {
        const branch = op.compare.every((compare) => this.holds(compare)) ? op.success : op.failure;
        return branch.every((child) => this.write(child, events));
      }
    }
  }

  private remove(key: string, events: string[]): void {
    this.keys.delete(key);
    events.push(`-${key}@${this.revision + 1}`);
  }

  /** The simulation's clients compare one key's value or modification for equality. */
  private holds(compare: Compare): boolean {
    const kv = this.keys.get(compare.key);
    if (compare.target === "value") return kv?.value === Buffer.from(compare.value).toString("latin1");
    if (compare.target === "version") return BigInt(kv?.version ?? 0) === compare.value;
    return BigInt(kv?.mod ?? 0) === compare.value;
  }
}
