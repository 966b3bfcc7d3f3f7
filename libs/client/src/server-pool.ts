import { assert } from "@trireme/base";

/**
 * Which server to try next. Pure: told what happened, answers an order. Healthy servers come in the order of the list,
 * so a client stays with the first one (its own host's, say) and returns to it once it is back; servers that failed come
 * last, longest ago first.
 */
export class ServerPool {
  private list: readonly string[];
  private readonly failures = new Map<string, number>();
  private turn = 0;

  constructor(addresses: readonly string[]) {
    assert(addresses.length > 0, "a client needs at least one server");
    this.list = [...addresses];
  }

  get addresses(): readonly string[] {
    return this.list;
  }

  /** All servers, best first. */
  order(): string[] {
    const failed = (address: string): number => this.failures.get(address) ?? 0;
    return this.list.toSorted((a, b) => failed(a) - failed(b) || this.list.indexOf(a) - this.list.indexOf(b));
  }

  /** The servers that failed and have not been heard of since. */
  down(): string[] {
    return this.list.filter((address) => this.failures.has(address));
  }

  markDown(address: string): void {
    this.turn += 1;
    this.failures.set(address, this.turn);
  }

  markUp(address: string): void {
    this.failures.delete(address);
  }

  /** Another list: who stays keeps place and fame, who is new comes behind, who is gone is forgotten. */
  replace(addresses: readonly string[]): void {
    assert(addresses.length > 0, "a client needs at least one server");
    const stay = this.list.filter((address) => addresses.includes(address));
    this.list = [...stay, ...addresses.filter((address) => !stay.includes(address))];
    for (const address of this.failures.keys()) if (!this.list.includes(address)) this.failures.delete(address);
  }
}
