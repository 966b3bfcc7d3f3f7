import { assert } from "./assert.ts";

/** A first-in first-out queue with a bound. `push` answers false at the bound: the caller chooses what to give up. */
export class BoundedQueue<T> {
  readonly capacity: number;
  private items: (T | undefined)[] = [];
  private head = 0;

  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity > 0, "a queue's capacity is a positive integer");
    this.capacity = capacity;
  }

  get size(): number {
    return this.items.length - this.head;
  }

  push(item: T): boolean {
    if (this.size >= this.capacity) return false;
    this.items.push(item);
    return true;
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.items[this.head];
    this.items[this.head] = undefined;
    this.head += 1;
    // Compact once half of the array is spent, so that shifting stays O(1) amortised and memory follows the size.
    if (this.head > 32 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  clear(): void {
    this.items = [];
    this.head = 0;
  }
}
