import { assert } from "@trireme/base";
import type { MailboxPolicy } from "./types.ts";

interface Slot<M> {
  message: M;
  readonly key: string | undefined;
  /** The incarnation whose effect sent it, or undefined when it came from outside. */
  readonly from: number | undefined;
}

/**
 * Answers of an actor's own effects are accepted beyond the capacity: each answers something that the actor started, so
 * they are bounded by what it has under way, and losing one would leave it waiting for ever. This bound catches an
 * effect that floods instead of answering.
 */
const MAX_OWN = 100_000;

/** How many fully spent slots are kept before the array is compacted. */
const COMPACT_AT = 64;

/** Messages that wait for an actor: bounded, in order, with coalescing where only the newest of a key matters. */
export class Mailbox<M> {
  private readonly policy: MailboxPolicy<M>;
  private slots: (Slot<M> | undefined)[] = [];
  private head = 0;
  private readonly byKey = new Map<string, Slot<M>>();
  private own = 0;

  constructor(policy: MailboxPolicy<M>) {
    assert(Number.isInteger(policy.capacity) && policy.capacity > 0, "a mailbox's capacity is a positive integer");
    this.policy = policy;
  }

  get depth(): number {
    return this.slots.length - this.head;
  }

  /** False: the mailbox is full and the message was not taken. */
  push(message: M, from?: number): boolean {
    const key = this.policy.overflow === "coalesceByKey" ? this.policy.keyOf(message) : undefined;
    const waiting = key === undefined ? undefined : this.byKey.get(key);
    if (waiting !== undefined && waiting.from === from) {
      waiting.message = message;
      return true;
    }
    if (from === undefined) {
      if (this.depth - this.own >= this.policy.capacity) return false;
    } else {
      this.own += 1;
      assert(this.own < MAX_OWN, "an actor's effects answer, they do not flood");
    }
    const slot: Slot<M> = { message, key, from };
    this.slots.push(slot);
    if (key !== undefined) this.byKey.set(key, slot);
    return true;
  }

  /** The next message and the incarnation that sent it. */
  shift(): { message: M; from: number | undefined } | undefined {
    const slot = this.slots[this.head];
    if (slot === undefined) return undefined;
    this.slots[this.head] = undefined;
    this.head += 1;
    if (this.head > COMPACT_AT && this.head * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.head);
      this.head = 0;
    }
    if (slot.key !== undefined && this.byKey.get(slot.key) === slot) this.byKey.delete(slot.key);
    if (slot.from !== undefined) this.own -= 1;
    return slot;
  }

  /** Empties it; answers how many messages waited. */
  clear(): number {
    const count = this.depth;
    this.slots = [];
    this.head = 0;
    this.own = 0;
    this.byKey.clear();
    return count;
  }
}
