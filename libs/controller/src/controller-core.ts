import type { Behaviour } from "@trireme/actor";
import { type Backoff, WorkQueue } from "./work-queue.ts";

/** How one reconciliation ended. */
export type Outcome =
  | { readonly result: "ok"; readonly requeueAfterMs?: number }
  /** To be tried again after a back-off. */
  | { readonly result: "error" }
  /** Not to be tried again until something changes. */
  | { readonly result: "terminal" };

/** What a controller's actor hears. `now` is monotonic. */
export type ControllerMessage =
  | { readonly type: "started" }
  | { readonly type: "add"; readonly key: string; readonly now: number }
  | { readonly type: "addAfter"; readonly key: string; readonly delayMs: number; readonly now: number }
  | { readonly type: "done"; readonly key: string; readonly outcome: Outcome; readonly now: number }
  | { readonly type: "due"; readonly now: number };

/** What it wants done. */
export type ControllerEffect =
  /** Add every key that exists. */
  | { readonly type: "resync" }
  | { readonly type: "work"; readonly key: string; readonly waitedMs: number }
  | { readonly type: "wake"; readonly afterMs: number }
  | { readonly type: "backoff"; readonly key: string; readonly pauseMs: number }
  | { readonly type: "show"; readonly depth: number; readonly added: boolean };

/** A controller's state: its queue, and the time at which it will be woken. */
export interface ControllerState {
  readonly queue: WorkQueue;
  readonly wakeAt: number;
}

/**
 * The behaviour of a controller: a work queue of keys as the state of an actor. The queue is a synchronous machine like
 * the Raft core, so it is kept by reference; a restart begins with an empty one and a resync.
 */
export function controllerBehaviour(
  workers: number,
  backoff: Backoff,
): Behaviour<ControllerState, ControllerMessage, ControllerEffect> {
  return {
    name: "controller",
    initial: () => ({ queue: new WorkQueue(backoff), wakeAt: Infinity }),
    receive(state, message) {
      const { queue } = state;
      const effects: ControllerEffect[] = [];
      let { wakeAt } = state;
      let now = 0;
      let added = false;
      switch (message.type) {
        case "started":
          return { state, effects: [{ type: "resync" }] };
        case "add":
          now = message.now;
          added = queue.add(message.key, now);
          break;
        case "addAfter":
          now = message.now;
          queue.addAfter(message.key, message.delayMs, now);
          break;
        case "done":
          now = message.now;
          effects.push(...finish(queue, message.key, message.outcome, now));
          break;
        case "due":
          now = message.now;
          wakeAt = Infinity;
          break;
      }
      while (queue.activeCount < workers) {
        const next = queue.take(now);
        if (next === undefined) break;
        effects.push({ type: "work", key: next.key, waitedMs: next.waitedMs });
      }
      const dueAt = queue.nextDueAt();
      if (dueAt !== undefined && dueAt < wakeAt) {
        wakeAt = dueAt;
        effects.push({ type: "wake", afterMs: Math.max(0, dueAt - now) });
      }
      effects.push({ type: "show", depth: queue.depth, added });
      return { state: { queue, wakeAt }, effects };
    },
  };
}

function finish(queue: WorkQueue, key: string, outcome: Outcome, now: number): ControllerEffect[] {
  switch (outcome.result) {
    case "ok":
      queue.succeeded(key, now, outcome.requeueAfterMs);
      return [];
    case "error":
      return [{ type: "backoff", key, pauseMs: queue.failed(key, now) }];
    case "terminal":
      queue.gaveUp(key, now);
      return [];
  }
}
