import type { SimEvent } from "./event-queue.ts";
import { world } from "./world.ts";

/** A timer as Node hands it out, as far as the store looks at it. */
class SimTimer {
  event: SimEvent | undefined;

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

function cancel(timer: unknown): void {
  if (timer instanceof SimTimer && timer.event !== undefined) timer.event.live = false;
}

function once(callback: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): SimTimer {
  const timer = new SimTimer();
  timer.event = world.after(world.toVirtual(Math.max(1, ms)), () => callback(...args));
  return timer;
}

function repeat(callback: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): SimTimer {
  const timer = new SimTimer();
  const next = (): void => {
    timer.event = world.after(world.toVirtual(Math.max(1, ms)), () => {
      next();
      callback(...args);
    });
  };
  next();
  return timer;
}

function soon(callback: (...args: unknown[]) => void, ...args: unknown[]): SimTimer {
  const timer = new SimTimer();
  timer.event = world.after(0, () => callback(...args));
  return timer;
}

function monotonicNow(): number {
  return world.current === undefined ? world.now : world.current.monotonic(world.now);
}

/** An arbitrary wall clock reading at which every simulation begins. */
const EPOCH_MS = 1_750_000_000_000;

/** Puts virtual time in the place of the process's clocks and timers: from now on only worlds move them. */
export function virtualizeTime(): void {
  const scope = globalThis as unknown as Record<string, unknown>;
  scope["setTimeout"] = once;
  scope["setInterval"] = repeat;
  scope["setImmediate"] = soon;
  scope["clearTimeout"] = cancel;
  scope["clearInterval"] = cancel;
  scope["clearImmediate"] = cancel;
  performance.now = monotonicNow;
  Date.now = () => EPOCH_MS + monotonicNow() + (world.current?.wallOffset ?? 0);
  process.on("unhandledRejection", (error) => world.fail(error));
}

/** The clock that a machine's process is given. */
export function clockOf(): {
  now: () => number;
  monotonic: () => number;
  after: (ms: number, callback: () => void) => () => void;
} {
  return {
    now: () => Date.now(),
    monotonic: monotonicNow,
    after: (ms, callback) => {
      const timer = once(callback, ms);
      return () => cancel(timer);
    },
  };
}
