import { TriremeError } from "@trireme/base";
import { scanEnd } from "./bytes.ts";
import { checkReadable, isPlain, shown } from "./range.ts";
import type { MvccStore } from "./store.ts";
import { checkOp } from "./txn.ts";
import type { KeyValue, RangeOp } from "./types.ts";
import { isTombstone, versionAt } from "./version.ts";

/**
 * A range read in slices, all of them at the one revision that was the newest (or was asked for) at the beginning, while
 * writing goes on. History is pinned meanwhile: whoever opens it calls {@link release} in the end.
 */
export class RangeSlices {
  /** Keys in the range, as far as it was read. */
  count = 0;
  readonly release: () => void;
  private readonly store: MvccStore;
  private readonly op: RangeOp;
  private readonly revision: number;
  private readonly restores: number;
  private cursor: string | undefined;
  private taken = 0;

  /** Throws what {@link MvccStore.range} would. Only for plain ranges, see {@link RangeSlices.fits}. */
  constructor(store: MvccStore, op: RangeOp) {
    checkOp(op);
    checkReadable(op, { compacted: store.compactRevision, current: store.revision });
    this.store = store;
    this.op = op;
    this.revision = op.revision > 0 ? op.revision : store.revision;
    this.restores = store.restores;
    this.cursor = op.key;
    this.release = store.pin();
  }

  /** Whether a range can be read like this: in the order of its keys, and unfiltered. */
  static fits(op: RangeOp): boolean {
    return op.rangeEnd !== "" && isPlain(op);
  }

  /** Whether the limit left keys out; known at the end. */
  get more(): boolean {
    return this.op.limit > 0 && !this.op.countOnly && this.count > this.op.limit;
  }

  /** Looks at `keys` more keys and answers what of them is in the result, perhaps nothing; undefined at the end. */
  next(keys: number): readonly KeyValue[] | undefined {
    const { op, store, revision } = this;
    if (this.cursor === undefined) return undefined;
    if (store.restores !== this.restores) {
      // Half of one state and half of another would be neither (B15).
      throw new TriremeError("Cancelled", "the state was replaced by the leader's snapshot meanwhile; try again");
    }
    const found: KeyValue[] = [];
    let looked = 0;
    const finished = store.scanHeads(
      this.cursor,
      (key, head) => {
        if (looked === keys) {
          this.cursor = key;
          return false;
        }
        looked += 1;
        const version = versionAt(head, revision);
        if (version === undefined || isTombstone(version)) return true;
        this.count += 1;
        if (op.countOnly || (op.limit > 0 && this.taken >= op.limit)) return true;
        this.taken += 1;
        found.push(shown(op, version));
        return true;
      },
      scanEnd(op.key, op.rangeEnd),
    );
    if (finished) this.cursor = undefined;
    return found;
  }
}
