import { compareBytes, inRange } from "./bytes.ts";
import { storeError } from "./errors.ts";
import type { Command, Compare, CompareResult, DeleteRangeOp, KeyValue, Op, TxnOp } from "./types.ts";

/** Operations in one branch of a transaction, and compares: etcd's default. Bounds an entry's time to apply. */
export const MAX_TXN_OPS = 128;

/** Depth of nested transactions; bounds recursion on hostile input. */
const MAX_TXN_DEPTH = 16;

/** Refuses a command that could never be applied; throws etcd's error. Depends on the command alone. */
export function checkCommand(command: Command): void {
  if (command.type === "put" || command.type === "deleteRange" || command.type === "txn") checkOp(command);
}

/** Refuses a request that could never be applied; throws etcd's error. Depends on the request alone. */
export function checkOp(op: Op, depth = 0): void {
  switch (op.type) {
    case "range":
    case "deleteRange":
      if (op.key === "") throw storeError("emptyKey");
      return;
    case "put":
      if (op.key === "") throw storeError("emptyKey");
      if (op.ignoreValue && op.value.length > 0) throw storeError("valueProvided");
      if (op.ignoreLease && op.lease !== 0n) throw storeError("leaseProvided");
      return;
    case "txn": {
      const most = Math.max(op.compare.length, op.success.length, op.failure.length);
      if (most > MAX_TXN_OPS || depth >= MAX_TXN_DEPTH) throw storeError("tooManyOps");
      for (const compare of op.compare) if (compare.key === "") throw storeError("emptyKey");
      for (const child of op.success) checkOp(child, depth + 1);
      for (const child of op.failure) checkOp(child, depth + 1);
      if (depth === 0) checkDuplicates(op);
    }
  }
}

/** Whether the command may make the state larger, in whichever branch: over the quota it is refused. */
export function addsData(command: Command | Op): boolean {
  switch (command.type) {
    case "put":
    case "leaseGrant":
      return true;
    case "txn":
      return command.success.some(addsData) || command.failure.some(addsData);
    default:
      return false;
  }
}

interface Touched {
  readonly puts: Set<string>;
  readonly deletes: DeleteRangeOp[];
}

/** No key may be written twice in one transaction, else one revision would hold two states of it. */
function checkDuplicates(txn: TxnOp): void {
  touchedBy(txn.success);
  touchedBy(txn.failure);
}

function touchedBy(ops: readonly Op[]): Touched {
  const all: Touched = { puts: new Set(), deletes: [] };
  for (const op of ops) {
    if (op.type === "range") continue;
    // Of a nested transaction only one branch runs, so its branches may touch the same keys.
    const branches =
      op.type === "txn"
        ? [touchedBy(op.success), touchedBy(op.failure)]
        : [{ puts: new Set(op.type === "put" ? [op.key] : []), deletes: op.type === "deleteRange" ? [op] : [] }];
    for (const branch of branches) {
      for (const key of branch.puts) {
        const twice = all.puts.has(key) || all.deletes.some((range) => inRange(key, range.key, range.rangeEnd));
        if (twice) throw storeError("duplicateKey");
      }
      for (const range of branch.deletes) {
        for (const key of all.puts) if (inRange(key, range.key, range.rangeEnd)) throw storeError("duplicateKey");
      }
    }
    for (const branch of branches) {
      for (const key of branch.puts) all.puts.add(key);
      all.deletes.push(...branch.deletes);
    }
  }
  return all;
}

/** Whether one key (undefined: it does not exist) satisfies the compare. */
export function holds(compare: Compare, kv: KeyValue | undefined): boolean {
  if (compare.target === "value") {
    // An absent key has no value to compare, not even with the empty one.
    return kv !== undefined && matches(compare.result, compareBytes(kv.value, compare.value));
  }
  const actual = kv === undefined ? 0n : revisionOf(compare.target, kv);
  return matches(compare.result, actual < compare.value ? -1 : actual > compare.value ? 1 : 0);
}

function revisionOf(target: "version" | "create" | "mod" | "lease", kv: KeyValue): bigint {
  switch (target) {
    case "version":
      return BigInt(kv.version);
    case "create":
      return BigInt(kv.createRevision);
    case "mod":
      return BigInt(kv.modRevision);
    case "lease":
      return kv.lease;
  }
}

function matches(result: CompareResult, order: number): boolean {
  switch (result) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case ">":
      return order > 0;
    case "<":
      return order < 0;
  }
}
