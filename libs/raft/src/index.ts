/**
 * The Raft core: log replication, elections, membership and linearizable reads as one synchronous class. It follows the
 * design of etcd-io/raft: messages and ticks go in, {@link Ready} comes out, and the core itself never touches a disk,
 * a socket, a clock or a promise.
 *
 * # The caller's duties, in this order
 *
 * Construct {@link Raft} with what is on disk ({@link InitialState}); the state machine has been loaded from
 * `initial.snapshot` before. A new cluster starts from {@link bootstrapState}, a later joiner from {@link joiningState}.
 * Then one loop, never re-entered:
 *
 * 1. Call `tick()` at a fixed interval, `step(message)` for each message from a peer, `propose`, `readIndex` and so on
 *    for clients. None of these does I/O. After any of them (and after `storageAppended` and `applied`) call `ready()`
 *    until it returns undefined. What `ready()` returned is never returned again: it is yours to finish.
 * 2. **Send** `ready.messages` at once, even before this Ready's own write: appends travel while the leader's disk
 *    works. Order per peer should be kept, loss and doubling are tolerated. For a `snap` message stream the
 *    snapshot's bytes beside it and call `reportSnapshot(to, ok)` when the stream ends; the receiver's shell verifies and
 *    keeps the file, and only then steps the message. Call `reportUnreachable(peer)` when a stream to a peer breaks.
 * 3. **Write** `ready.append`: install the snapshot if there is one (file durable, state machine replaced), truncate the
 *    log at `entries[0].index` and append the entries, write the hard state, and sync if `mustSync`. Writes are done in
 *    the order of `seq`; one sync may cover several. When a write is durable, call `storageAppended(append)`, in order,
 *    exactly once. Acknowledgements and votes for peers wait inside the core for that call, and so does the leader's
 *    own acknowledgement: it is never sent from memory alone. On any I/O error end the process: after a failed sync the
 *    kernel may have dropped the pages, and a second sync would lie.
 * 4. **Apply** `ready.committedEntries` in order; `empty` and `confChange` entries change no data. Then call
 *    `applied(lastIndex)`: membership changes take effect in that call. Never apply what Ready did not hand out.
 * 5. **Serve reads**: a read of `ready.readStates` is answered from state at `index` or later. A read in `readsDropped`,
 *    or one that stays silent for long, is asked again with a *new* `readIndex()` call, or failed; ids are never re-used.
 * 6. **Compact** now and then: write a snapshot of the state machine with `confState()` taken at the same applied index,
 *    and when the file is durable call `snapshotCreated(meta)`, then `compact(index)`, keeping some entries for slow
 *    followers.
 *
 * A client may be told of success when its entry, identified by the (term, index) from `propose`, is in
 * `committedEntries` and applied. Another term at that index means that it certainly did not happen.
 */
export { type InitialState, type RaftConfig, bootstrapState, joiningState } from "./config.ts";
export { isVoter, membersOf } from "./conf-change.ts";
export { decodeConfChange, encodeConfChange } from "./conf-change-codec.ts";
export { Raft } from "./raft.ts";
export * from "./types.ts";
