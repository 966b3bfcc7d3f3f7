import { TriremeError, assert } from "@trireme/base";
import {
  type Bus,
  type BusHandler,
  type BusRefusal,
  type BusStatus,
  MAX_PAYLOAD_BYTES,
  type SubscribeOptions,
  type Subscription,
} from "./bus.ts";
import type { BusPermissions } from "./permissions.ts";
import { patternCovers, subjectMatches } from "./subjects.ts";

/** One message on its way. */
export interface Envelope {
  readonly subject: string;
  readonly payload: Uint8Array;
}

/** Decides what becomes of a published message: itself, nothing, several of it, or others held back before. */
export type Network = (envelope: Envelope) => readonly Envelope[];

interface Interest {
  readonly pattern: string;
  readonly handler: BusHandler;
  readonly options: SubscribeOptions;
}

/** A bus in one process, for tests and simulation. */
export interface MemoryHub {
  /** A new client; without permissions it may do everything. */
  connect(permissions?: BusPermissions): Bus;
  /** Takes the "servers" down or brings them up; clients notice at once. */
  setUp(up: boolean): void;
  /** Puts faults between publishers and subscribers. */
  setNetwork(network: Network): void;
  /** Delivers everything that is on its way, now. Otherwise it happens in a microtask. */
  deliver(): void;
}

/** Messages on their way at once; a test that exceeds it publishes in an endless loop. */
const MAX_IN_FLIGHT = 1_000_000;

/** Creates a hub whose clients hear each other; delivery is never re-entrant and keeps the order of publication. */
export function createMemoryHub(): MemoryHub {
  const clients = new Set<MemoryBus>();
  let up = true;
  let network: Network = (envelope) => [envelope];
  let inFlight: Envelope[] = [];
  let delivering = false;

  function deliver(): void {
    if (delivering) return;
    delivering = true;
    try {
      for (let next = inFlight.shift(); next !== undefined; next = inFlight.shift()) {
        for (const client of clients) client.receive(next);
      }
    } finally {
      delivering = false;
    }
  }

  function send(envelope: Envelope): void {
    for (const survivor of network(envelope)) inFlight.push(survivor);
    assert(inFlight.length < MAX_IN_FLIGHT, "messages on the memory bus are bounded");
    queueMicrotask(deliver);
  }

  const hub: MemoryHub = {
    connect(permissions) {
      const client = new MemoryBus(permissions, send, deliver, () => clients.delete(client));
      clients.add(client);
      client.setStatus(up ? "connected" : "disconnected");
      return client;
    },
    setUp(value) {
      up = value;
      if (!up) inFlight = [];
      for (const client of clients) client.setStatus(up ? "connected" : "disconnected");
    },
    setNetwork(value) {
      network = value;
    },
    deliver,
  };
  return hub;
}

class MemoryBus implements Bus {
  private current: BusStatus = "disconnected";
  private closed = false;
  private readonly interests = new Set<Interest>();
  private readonly statusListeners = new Set<(status: BusStatus) => void>();
  private readonly refusalListeners = new Set<(refusal: BusRefusal) => void>();
  private readonly permissions: BusPermissions | undefined;
  private readonly send: (envelope: Envelope) => void;
  private readonly deliver: () => void;
  private readonly leave: () => void;

  constructor(
    permissions: BusPermissions | undefined,
    send: (envelope: Envelope) => void,
    deliver: () => void,
    leave: () => void,
  ) {
    this.permissions = permissions;
    this.send = send;
    this.deliver = deliver;
    this.leave = leave;
  }

  publish(subject: string, payload: Uint8Array): void {
    if (this.current !== "connected" || this.closed || payload.length > MAX_PAYLOAD_BYTES) return;
    if (this.permissions !== undefined && !this.permissions.pub.some((pattern) => subjectMatches(pattern, subject))) {
      queueMicrotask(() => {
        for (const listener of this.refusalListeners) listener({ operation: "publish", subject });
      });
      return;
    }
    // A copy, as on a wire: the publisher may reuse its buffer.
    this.send({ subject, payload: payload.slice() });
  }

  subscribe(pattern: string, handler: BusHandler, options: SubscribeOptions = {}): Subscription {
    const interest: Interest = { pattern, handler, options };
    this.interests.add(interest);
    if (!this.mayHear(pattern)) {
      queueMicrotask(() => options.onRefused?.({ operation: "subscribe", subject: pattern }));
    }
    return { unsubscribe: () => this.interests.delete(interest) };
  }

  status(): BusStatus {
    return this.current;
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.statusListeners.add(listener);
    return () => this.statusListeners.delete(listener);
  }

  onRefused(listener: (refusal: BusRefusal) => void): () => void {
    this.refusalListeners.add(listener);
    return () => this.refusalListeners.delete(listener);
  }

  async flush(): Promise<void> {
    if (this.current !== "connected") throw new TriremeError("ServiceUnavailable", "the bus is disconnected");
    this.deliver();
    await Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    if (this.current === "connected") await this.flush();
    this.closed = true;
    this.interests.clear();
    this.setStatus("disconnected");
    this.leave();
  }

  setStatus(status: BusStatus): void {
    if (status === this.current || (this.closed && status === "connected")) return;
    this.current = status;
    for (const listener of this.statusListeners) listener(status);
  }

  receive({ subject, payload }: Envelope): void {
    if (this.current !== "connected") return;
    // A copy of the set: a handler may subscribe or unsubscribe.
    for (const interest of [...this.interests]) {
      if (!this.interests.has(interest) || !subjectMatches(interest.pattern, subject)) continue;
      if (this.mayHear(interest.pattern)) interest.handler(payload, subject);
    }
  }

  private mayHear(pattern: string): boolean {
    return this.permissions === undefined || this.permissions.sub.some((allowed) => patternCovers(allowed, pattern));
  }
}
