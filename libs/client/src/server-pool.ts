import { assert } from "@trireme/base";

/**
 * Which server to try next. Pure: told what happened, answers an order. Healthy servers come in the order of the list,
 * so a client stays with the first one (its own host's, say) and returns to it once it is back; servers that failed come
 * last, longest ago first.
 */
export class ServerPool {
  readonly addresses: readonly string[];
  private readonly failures: number[];
  private turn = 0;

  constructor(addresses: readonly string[]) {
    assert(addresses.length > 0, "a client needs at least one server");
    this.addresses = addresses;
    this.failures = addresses.map(() => 0);
  }

  /** Indexes of all servers, best first. */
  order(): number[] {
    return this.addresses.map((_, i) => i).toSorted((a, b) => this.failures[a]! - this.failures[b]! || a - b);
  }

  /** Indexes of the servers that failed and have not been heard of since. */
  down(): number[] {
    return this.addresses.map((_, i) => i).filter((i) => this.failures[i]! > 0);
  }

  markDown(index: number): void {
    this.turn += 1;
    this.failures[index] = this.turn;
  }

  markUp(index: number): void {
    this.failures[index] = 0;
  }
}
