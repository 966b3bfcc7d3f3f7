import { type RegisterOp, checkRegister } from "../../sim/linearizability.ts";

/** One request of a client and what it was told. Times are milliseconds of one monotonic clock. */
export interface Op {
  readonly kind: "read" | "readAnywhere" | "put" | "delete" | "compareAndSet";
  readonly key: string;
  /** What it writes, once in the whole history. */
  readonly value?: string | undefined;
  /** What a compare-and-set hopes to find. */
  readonly expected?: string | undefined;
  readonly called: number;
  readonly outcome: Outcome;
}

/** `refused`: it certainly did not happen and never will. `unknown`: it may have, or may yet. */
export type Outcome =
  | {
      readonly kind: "ok";
      readonly returned: number;
      readonly revision: number;
      /** What a read, or a compare-and-set that failed, found. */
      readonly found?: string | undefined;
      /** Whether it changed anything. */
      readonly changed: boolean;
    }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" };

/** What happened to one key at one revision; no value: it was deleted. */
export interface Change {
  readonly revision: number;
  readonly key: string;
  readonly value: string | undefined;
}

/** What a history came to. */
export interface Judgement {
  readonly violations: readonly string[];
  /** Acknowledged writes that are not there. */
  readonly lost: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly operations: number;
  /** Keys whose history was too tangled to judge. */
  readonly undecided: number;
}

/** Every change of the keys of one history, by revision, as the store tells it. */
export class Truth {
  readonly changes: Change[] = [];
  private readonly byKey = new Map<string, Change[]>();
  private readonly byRevision = new Map<number, Change[]>();

  /** Takes changes in their order; those that are known are passed over. */
  add(changes: readonly Change[]): void {
    const known = this.changes.at(-1)?.revision ?? 0;
    for (const change of changes.filter(({ revision }) => revision > known)) {
      this.changes.push(change);
      append(this.byKey, change.key, change);
      append(this.byRevision, change.revision, change);
    }
  }

  /** What a key held at a revision. */
  at(key: string, revision: number): string | undefined {
    return this.byKey.get(key)?.findLast((change) => change.revision <= revision)?.value;
  }

  happened(revision: number, key: string, value: string | undefined): boolean {
    return this.byRevision.get(revision)?.some((change) => change.key === key && change.value === value) ?? false;
  }
}

function append<K>(map: Map<K, Change[]>, key: K, change: Change): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [change]);
  else list.push(change);
}

/**
 * Judges what clients were told. Twice: against the one history that the store tells afterwards (every answer holds at its
 * revision, and revisions follow real time), and, trusting no revision, against the definition of a register.
 */
export function judge(ops: readonly Op[], truth: Truth): Judgement {
  const violations: string[] = [];
  let lost = 0;
  const values = new Set(truth.changes.map(({ value }) => value));
  for (const op of ops) {
    const { outcome, key } = op;
    if (outcome.kind === "refused" && op.value !== undefined && values.has(op.value)) {
      violations.push(`S8: ${key}=${op.value} happened after its client was told that it never would`);
    }
    if (outcome.kind !== "ok") continue;
    const { revision, changed, found } = outcome;
    if (changed && !truth.happened(revision, key, op.value)) {
      lost += 1;
      violations.push(
        `S7: ${key}=${op.value ?? "(deleted)"} was acknowledged at revision ${revision}, and is not there`,
      );
    }
    const expected = truth.at(key, revision);
    if (!changed && found !== expected) {
      violations.push(`S8: ${key} reads ${found} at revision ${revision}, which holds ${expected}`);
    }
  }
  violations.push(...againstRealTime(ops));
  const { undecided, wrong } = asRegisters(ops);
  violations.push(...wrong);
  const writes = ops.filter(({ kind }) => kind !== "read" && kind !== "readAnywhere");
  const count = (kind: Outcome["kind"]): number => writes.filter(({ outcome }) => outcome.kind === kind).length;
  const acknowledged = ops.filter(({ outcome }) => outcome.kind === "ok" && outcome.changed).length;
  const operations = ops.filter(({ outcome }) => outcome.kind !== "refused").length;
  const [refused, unknown] = [count("refused"), count("unknown")];
  return { violations, lost, acknowledged, refused, unknown, operations, undecided };
}

/** No answer is older than what anybody had been told before its question. */
function againstRealTime(ops: readonly Op[]): string[] {
  const answered = ops.flatMap(({ kind, key, called, outcome }) =>
    outcome.kind === "ok" ? [{ ...outcome, kind, key, called }] : [],
  );
  const byReturn = answered.toSorted((a, b) => a.returned - b.returned);
  const violations: string[] = [];
  let floor = 0;
  let next = 0;
  for (const op of answered.toSorted((a, b) => a.called - b.called)) {
    while (next < byReturn.length && byReturn[next]!.returned < op.called) {
      floor = Math.max(floor, byReturn[next++]!.revision);
    }
    // A read that any member may answer may be old. A write comes after what was told, everything else at it or after.
    const least = op.changed ? floor + 1 : floor;
    if (op.kind !== "readAnywhere" && op.revision < least) {
      violations.push(`S8: a ${op.kind} of ${op.key} answers revision ${op.revision} after somebody was told ${floor}`);
    }
  }
  return violations;
}

function asRegisters(ops: readonly Op[]): { undecided: number; wrong: string[] } {
  const byKey = Map.groupBy(ops, ({ key }) => key);
  const wrong: string[] = [];
  let undecided = 0;
  for (const [key, history] of byKey) {
    const verdict = checkRegister(history.flatMap(toRegisterOp));
    if (verdict === "undecided") undecided += 1;
    if (verdict === "not linearizable") wrong.push(`S8: the history of ${key} is not linearizable`);
  }
  return { undecided, wrong };
}

function toRegisterOp({ kind, value, expected, called, outcome }: Op): RegisterOp[] {
  if (outcome.kind === "refused" || kind === "readAnywhere") return [];
  if (kind === "read") {
    return outcome.kind === "ok" ? [{ kind, found: outcome.found, called, returned: outcome.returned }] : [];
  }
  const returned = outcome.kind === "ok" ? outcome.returned : Infinity;
  // What changed nothing was a look at what is there.
  if (outcome.kind === "ok" && !outcome.changed) return [{ kind: "read", found: outcome.found, called, returned }];
  if (kind !== "compareAndSet") return [{ kind: "write", value, called, returned }];
  const succeeded = outcome.kind === "ok" ? { succeeded: true as const } : {};
  return [{ kind, value, expected, called, returned, ...succeeded }];
}
