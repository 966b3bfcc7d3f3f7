/**
 * Stops the program on a broken invariant. A failed assertion is a bug in Trireme, never a user's mistake: nothing
 * below a service's main catches it, and the supervisor starts the process afresh from durable state.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws {@link AssertionError} unless `condition` holds. The message names what should have been true. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that an exhaustive `switch` can never reach; the compiler proves it by `never`. */
export function unreachable(value: never, message = "unreachable"): never {
  throw new AssertionError(`${message}: ${String(value)}`);
}

/** Asserts that a number is an integer that arithmetic keeps exact; terms, indexes and revisions go through here. */
export function assertSafeInteger(value: number, name: string): void {
  assert(Number.isSafeInteger(value), `${name} must be a safe integer, got ${value}`);
}
