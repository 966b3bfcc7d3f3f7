/**
 * A checker for the history of one register (one key), after Wing and Gong with Lowe's memo. Operations whose outcome
 * nobody knows may have happened at any time after their call, or never.
 */
export interface RegisterOp {
  readonly kind: "read" | "write" | "compareAndSet";
  /** What a write or a successful compare-and-set leaves; undefined: the key is deleted. */
  readonly value?: string | undefined;
  /** What a compare-and-set hopes to find. */
  readonly expected?: string | undefined;
  /** What a read found. */
  readonly found?: string | undefined;
  /** Set when a compare-and-set took place; undefined when nobody knows. One that certainly failed is a read. */
  readonly succeeded?: true;
  readonly called: number;
  /** Infinity when the outcome is unknown. */
  readonly returned: number;
}

/** `undecided`: the bound was reached first; that is no proof of anything. */
export type Verdict = "linearizable" | "not linearizable" | "undecided";

/** States that are looked at before the checker gives up. */
const MAX_STATES = 30_000;

type State = string | undefined;

/** The state after `op` in `state`, or false when it cannot have been answered like that there. */
function next(op: RegisterOp, state: State): State | false {
  switch (op.kind) {
    case "read":
      return op.found === state ? state : false;
    case "write":
      return op.value;
    case "compareAndSet": {
      const holds = state === op.expected;
      if (op.succeeded === true && !holds) return false;
      return holds ? op.value : state;
    }
  }
}

/** Judges one key's history. `initial` is what the key holds before it. */
export function checkRegister(history: readonly RegisterOp[], initial?: string): Verdict {
  const ops = relevant(history).toSorted((a, b) => a.called - b.called);
  const done = ops.map(() => false);
  const seen = new Set<string>();
  let budget = MAX_STATES;
  let first = 0;

  const search = (state: State): boolean => {
    const savedFirst = first;
    while (first < ops.length && done[first] === true) first += 1;
    // Whatever is called after some operation returned comes after it.
    let horizon = Infinity;
    let open = false;
    let key = `${state ?? "\0"}|${first}`;
    for (let i = first; i < ops.length && ops[i]!.called <= horizon; i++) {
      if (done[i] === true) {
        key += `,${i}`;
        continue;
      }
      if (ops[i]!.returned !== Infinity) open = true;
      horizon = Math.min(horizon, ops[i]!.returned);
    }
    const verdict = !open || explore(state, horizon, key);
    first = savedFirst;
    return verdict;
  };

  const explore = (state: State, horizon: number, key: string): boolean => {
    if (seen.has(key)) return false;
    seen.add(key);
    if (--budget <= 0) throw new OutOfBudget();
    for (let i = first; i < ops.length && ops[i]!.called <= horizon; i++) {
      if (done[i] === true) continue;
      const after = next(ops[i]!, state);
      if (after === false) continue;
      done[i] = true;
      if (search(after)) return true;
      done[i] = false;
    }
    return false;
  };

  try {
    return search(initial) ? "linearizable" : "not linearizable";
  } catch (error) {
    if (error instanceof OutOfBudget) return "undecided";
    throw error;
  }
}

class OutOfBudget extends Error {}

/**
 * Without operations that constrain nothing: reads nobody answered, and writes of unknown outcome whose value nobody ever
 * saw (each value is written once, so such a write may as well never have happened).
 */
function relevant(history: readonly RegisterOp[]): RegisterOp[] {
  const seen = new Set<string>();
  for (const { kind, found, expected } of history) {
    if (kind === "read" && found !== undefined) seen.add(found);
    if (kind === "compareAndSet" && expected !== undefined) seen.add(expected);
  }
  return history.filter((op) => {
    if (op.returned !== Infinity) return true;
    if (op.kind === "read") return false;
    return op.value === undefined || seen.has(op.value);
  });
}
