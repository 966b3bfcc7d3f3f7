import { compareBytes, scanEnd } from "./bytes.ts";
import { storeError } from "./errors.ts";
import type { Tree } from "./tree.ts";
import type { KeyValue, RangeOp, RangeResult } from "./types.ts";
import { type Version, isTombstone, versionAt } from "./version.ts";

const NO_BYTES = new Uint8Array(0);

/** The revisions that may be read: `[compacted, current]`. */
export interface ReadableRevisions {
  readonly compacted: number;
  readonly current: number;
}

/** Throws unless the range's revision can be read. */
export function checkReadable(op: RangeOp, readable: ReadableRevisions): void {
  if (op.revision <= 0) return;
  if (op.revision > readable.current) throw storeError("futureRevision");
  if (op.revision < readable.compacted) throw storeError("compacted");
}

/** Answers a range read; the caller has checked its revision. */
export function readRange(tree: Tree<Version>, op: RangeOp): RangeResult {
  const revision = op.revision > 0 ? op.revision : Number.MAX_SAFE_INTEGER;
  const plain = isPlain(op);
  const found: Version[] = [];
  let count = 0;
  const take = (head: Version | undefined): void => {
    const version = versionAt(head, revision);
    if (version === undefined || isTombstone(version)) return;
    count += 1;
    if (op.countOnly || (plain && op.limit > 0 && found.length >= op.limit)) return;
    if (isFilteredOut(op, version)) return;
    found.push(version);
  };
  if (op.rangeEnd === "") {
    take(tree.get(op.key));
  } else {
    tree.scan(op.key, scanEnd(op.key, op.rangeEnd), (_key, head) => {
      take(head);
      return true;
    });
  }
  // Values are left out last: a read of keys alone may be in the order of values.
  const result = (kvs: Version[], more: boolean): RangeResult => ({
    type: "range",
    kvs: op.keysOnly ? kvs.map((version) => shown(op, version)) : kvs,
    count,
    more,
  });
  if (plain) return result(found, op.limit > 0 && !op.countOnly && count > op.limit);
  sortFound(op, found);
  const more = op.limit > 0 && found.length > op.limit;
  return result(more ? found.slice(0, op.limit) : found, more);
}

/** Whether the tree's own order and the limit alone decide, so that the walk need not keep what it will drop. */
export function isPlain(op: RangeOp): boolean {
  const sorted = op.sortOrder === "descend" || op.sortTarget !== "key";
  return !sorted && !op.minModRevision && !op.maxModRevision && !op.minCreateRevision && !op.maxCreateRevision;
}

function isFilteredOut(op: RangeOp, version: Version): boolean {
  return (
    (op.minModRevision > 0 && version.modRevision < op.minModRevision) ||
    (op.maxModRevision > 0 && version.modRevision > op.maxModRevision) ||
    (op.minCreateRevision > 0 && version.createRevision < op.minCreateRevision) ||
    (op.maxCreateRevision > 0 && version.createRevision > op.maxCreateRevision)
  );
}

/** A version as the read wants to see it. */
export function shown(op: RangeOp, version: Version): KeyValue {
  return op.keysOnly ? { ...bare(version), value: NO_BYTES } : version;
}

function bare(version: Version): KeyValue {
  const { key, value, createRevision, modRevision, lease } = version;
  return { key, value, createRevision, modRevision, version: version.version, lease };
}

function sortFound(op: RangeOp, found: Version[]): void {
  const sign = op.sortOrder === "descend" ? -1 : 1;
  const order = (a: KeyValue, b: KeyValue): number => {
    switch (op.sortTarget) {
      case "key":
        return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
      case "version":
        return a.version - b.version;
      case "create":
        return a.createRevision - b.createRevision;
      case "mod":
        return a.modRevision - b.modRevision;
      case "value":
        return compareBytes(a.value, b.value);
    }
  };
  found.sort((a, b) => sign * order(a, b));
}
