/**
 * What every package may lean on: assertions, the error type, time and randomness as dependencies, a bounded queue.
 *
 * Callers' duties: throw {@link TriremeError} for what users or the world do wrong, {@link assert} what we promise
 * ourselves, and never catch an AssertionError below main.
 */
export { AssertionError, assert, assertSafeInteger, unreachable } from "./assert.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export { type Clock, sleep, systemClock } from "./clock.ts";
export { type ErrorCause, type ErrorCode, type ErrorDetails, TriremeError, errorFrom, hasCode } from "./error.ts";
export { EXIT_REMOVED } from "./exit-codes.ts";
export { ManualClock } from "./manual-clock.ts";
export { type Prng, createPrng } from "./prng.ts";
