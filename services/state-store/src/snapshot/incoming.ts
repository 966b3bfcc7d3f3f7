import { assert } from "@trireme/base";
import { type MvccStore, SnapshotReader } from "@trireme/mvcc";
import type { SnapMessage, SnapshotMeta } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import type { SnapshotSink } from "../peers/snapshot-stream.ts";
import { SnapshotReceiver, snapshotName } from "./snapshot-file.ts";

/** One that the core has taken up and not yet handed back, and one from a newer leader meanwhile. */
const MAX_ARRIVED = 2;

/**
 * Snapshots that a leader sends: the file is written and the state built from it while the bytes come, so that installing
 * it later is a swap.
 */
export class IncomingSnapshots {
  private readonly dir: string;
  private readonly log: Logger;
  private readonly arrived = new Map<number, MvccStore>();

  constructor(dir: string, log: Logger) {
    this.dir = dir;
    this.log = log;
  }

  /** Opens a file for what `message` announces; `onArrived` runs when it is whole, durable and loaded. */
  async open(message: SnapMessage, onArrived: () => void): Promise<SnapshotSink> {
    const reader = new SnapshotReader();
    const name = `incoming-${snapshotName(message.snapshot)}`;
    const receiver = await SnapshotReceiver.create(this.dir, name, (frame) => reader.push(frame));
    return {
      push: (piece) => receiver.push(piece),
      abandon: () => receiver.abandon(),
      finish: async () => {
        const meta = await receiver.finish();
        assert(meta.index === message.snapshot.index, "the file is the snapshot that its message names");
        this.log.info("snapshot received", { index: meta.index, term: meta.term });
        this.arrived.set(meta.index, reader.finish());
        const [oldest] = this.arrived.keys();
        if (oldest !== undefined && this.arrived.size > MAX_ARRIVED) this.arrived.delete(oldest);
        onArrived();
      },
    };
  }

  /** The state of a snapshot that has arrived. */
  take(meta: SnapshotMeta): MvccStore {
    const store = this.arrived.get(meta.index);
    assert(store !== undefined, "a snapshot is stepped into the core only when its state is at hand");
    this.arrived.clear();
    return store;
  }
}
