/**
 * Which server to try next. Pure. A client stays with one server while it answers and goes on to the next when it does
 * not: a server that came back is returned to only when another fails.
 */
export class ServerOrder {
  private readonly count: number;
  private current = 0;

  constructor(count: number) {
    this.count = count;
  }

  /** All servers, the one to try first in front. */
  order(): number[] {
    return Array.from({ length: this.count }, (_, i) => (this.current + i) % this.count);
  }

  /** Goes on to the next server, unless some other call already has. */
  failed(index: number): void {
    if (index === this.current) this.current = (this.current + 1) % this.count;
  }

  answered(index: number): void {
    this.current = index;
  }
}
