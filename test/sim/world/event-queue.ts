import type { Host } from "./world.ts";

/** Something that happens at a moment. */
export interface SimEvent {
  at: number;
  readonly sequence: number;
  /** On whose machine and in which life of its process; undefined: the world's own. */
  readonly host: Host | undefined;
  readonly life: number;
  readonly act: () => void;
  /** Happens although the process is stopped. */
  readonly kernel: boolean;
  /** Cleared when it has happened or was called off. */
  live: boolean;
}

/** A binary heap, earliest first, and in the order of planning at one moment. */
export class EventQueue {
  private readonly heap: SimEvent[] = [];

  peek(): SimEvent | undefined {
    return this.heap[0];
  }

  push(event: SimEvent): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
