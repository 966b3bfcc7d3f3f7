import { TriremeError, errorFrom } from "@trireme/base";
import { SEALING_FILE, type SealingKey, type SealingRing, parseSealingRing, renderSealingRing } from "@trireme/pki";
import type { ServerPeers } from "../server-peers.ts";
import { RING_PATH } from "./paths.ts";

/** What one server asks another to change. */
export interface RingChange {
  readonly add?: SealingRing;
  readonly drop?: readonly string[];
}

/** The change as the body of a request. */
export function renderChange(change: RingChange): string {
  return JSON.stringify({
    ...(change.add === undefined ? {} : { add: renderSealingRing(change.add) }),
    ...(change.drop === undefined ? {} : { drop: change.drop }),
  });
}

/** Reads what {@link renderChange} made; throws BadRequest or Invalid. */
export function parseChange(body: unknown): RingChange {
  const { add, drop } = (body ?? {}) as { add?: unknown; drop?: unknown };
  const isList = drop === undefined || (Array.isArray(drop) && drop.every((id) => typeof id === "string"));
  if ((add !== undefined && typeof add !== "string") || !isList) {
    throw new TriremeError("BadRequest", "a change of sealing keys is {add: ring, drop: [id]}");
  }
  return {
    ...(add === undefined ? {} : { add: parseSealingRing(add, "the request's ring") }),
    ...(drop === undefined ? {} : { drop: drop as string[] }),
  };
}

/**
 * The other servers, as far as sealing goes: keys travel from server to server alone, over mutual TLS with the cluster's
 * CA, to whoever shows a server's certificate. They are never in the store, on the bus or in an answer to a client.
 */
export class SealingPeers {
  private readonly servers: ServerPeers;

  constructor(servers: ServerPeers) {
    this.servers = servers;
  }

  /** The addresses of the other servers. */
  others(): Promise<string[]> {
    return this.servers.others();
  }

  /** The ring of one server. */
  async ring(address: string): Promise<SealingRing> {
    return this.call(address, "GET");
  }

  /** Changes the ring of one server; resolves with it when it is on that server's disk. */
  async change(address: string, change: RingChange): Promise<SealingRing> {
    return this.call(address, "POST", renderChange(change));
  }

  /** The keys of all servers that answer. */
  async keys(): Promise<SealingKey[]> {
    const rings = await Promise.all(
      (await this.others()).map((address) => this.ring(address).catch((thrown: unknown) => void errorFrom(thrown))),
    );
    return rings.flatMap((ring) => ring?.keys ?? []);
  }

  private async call(address: string, method: "GET" | "POST", body?: string): Promise<SealingRing> {
    const text = await this.servers.call(address, method, RING_PATH, body);
    return parseSealingRing(text, `${SEALING_FILE} of the server at ${address}`);
  }
}
