import { TriremeError } from "@trireme/base";
import * as wire from "@trireme/proto/trireme/raft/v1/raft";
import type { ConfState, Entry, EntryType, Message, SnapshotMeta } from "@trireme/raft";

const TO_WIRE: Record<EntryType, wire.EntryType> = {
  normal: wire.EntryType.NORMAL,
  confChange: wire.EntryType.CONF_CHANGE,
  empty: wire.EntryType.EMPTY,
};

function fromWireType(type: wire.EntryType): EntryType {
  switch (type) {
    case wire.EntryType.NORMAL:
      return "normal";
    case wire.EntryType.CONF_CHANGE:
      return "confChange";
    case wire.EntryType.EMPTY:
      return "empty";
    case wire.EntryType.UNSPECIFIED:
      throw new TriremeError("BadRequest", "a peer sent an entry of a type that this release does not know");
  }
}

/** Terms and indexes are safe integers inside; what is larger cannot be ours. */
function number(value: bigint): number {
  const narrow = Number(value);
  if (!Number.isSafeInteger(narrow)) throw new TriremeError("BadRequest", `a peer sent ${value}, which is no index`);
  return narrow;
}

type Body = NonNullable<wire.RaftMessage["body"]>;

/** What a message costs beside its entries, about. */
const MESSAGE_BYTES = 32;

/** Bytes of messages on the wire, about: entries are what counts, and nothing is encoded twice to know more. */
export function bytesOf(messages: readonly wire.RaftMessage[]): number {
  let bytes = 0;
  for (const { body } of messages) {
    bytes += MESSAGE_BYTES;
    if (body?.$case !== "append" && body?.$case !== "propose") continue;
    for (const entry of body.value.entries) bytes += entry.data.length;
  }
  return bytes;
}

/** A core's message as it travels. */
export function toWire(message: Message): wire.RaftMessage {
  return { from: message.from, to: message.to, term: BigInt(message.term), body: toBody(message) };
}

function toBody(message: Message): Body {
  switch (message.type) {
    case "app":
      return {
        $case: "append",
        value: {
          prevIndex: BigInt(message.prevIndex),
          prevTerm: BigInt(message.prevTerm),
          commit: BigInt(message.commit),
          entries: message.entries.map((entry) => ({
            term: BigInt(entry.term),
            index: 0n,
            type: TO_WIRE[entry.type],
            data: entry.data as Buffer,
          })),
        },
      };
    case "appResp":
      return {
        $case: "appendResponse",
        value: {
          index: BigInt(message.index),
          reject: message.reject,
          hintIndex: BigInt(message.hintIndex),
          hintTerm: BigInt(message.hintTerm),
        },
      };
    case "heartbeat":
      return {
        $case: "heartbeat",
        value: { commit: BigInt(message.commit), readSeq: BigInt(message.readSeq) },
      };
    case "heartbeatResp":
      return { $case: "heartbeatResponse", value: { readSeq: BigInt(message.readSeq) } };
    case "preVote":
    case "vote":
      return {
        $case: "vote",
        value: {
          pre: message.type === "preVote",
          lastIndex: BigInt(message.lastIndex),
          lastTerm: BigInt(message.lastTerm),
          transfer: message.transfer,
        },
      };
    case "preVoteResp":
    case "voteResp":
      return { $case: "voteResponse", value: { pre: message.type === "preVoteResp", reject: message.reject } };
    case "snap":
      return { $case: "snapshot", value: toWireSnapshot(message.snapshot) };
    case "timeoutNow":
      return { $case: "timeoutNow", value: {} };
    case "prop":
      return {
        $case: "propose",
        value: {
          entries: message.entries.map((entry) => ({
            term: 0n,
            index: 0n,
            type: TO_WIRE[entry.type],
            data: entry.data as Buffer,
          })),
        },
      };
    case "readIndex":
      return { $case: "readIndex", value: { readId: message.readId } };
    case "readIndexResp":
      return { $case: "readIndexResponse", value: { readId: message.readId, index: BigInt(message.index) } };
    case "transferLeader":
      return { $case: "transferLeader", value: { target: message.target } };
  }
}

/** What arrived, as the core takes it; throws BadRequest on anything that cannot be. */
export function fromWire(message: wire.RaftMessage): Message {
  const envelope = { from: message.from, to: message.to, term: number(message.term) };
  const { body } = message;
  if (body === undefined) throw new TriremeError("BadRequest", "a peer sent a message that this release does not know");
  switch (body.$case) {
    case "append": {
      const prevIndex = number(body.value.prevIndex);
      const entries: Entry[] = body.value.entries.map((entry, at) => ({
        term: number(entry.term),
        index: prevIndex + 1 + at,
        type: fromWireType(entry.type),
        data: entry.data,
      }));
      const prevTerm = number(body.value.prevTerm);
      return { ...envelope, type: "app", prevIndex, prevTerm, entries, commit: number(body.value.commit) };
    }
    case "appendResponse":
      return {
        ...envelope,
        type: "appResp",
        index: number(body.value.index),
        reject: body.value.reject,
        hintIndex: number(body.value.hintIndex),
        hintTerm: number(body.value.hintTerm),
      };
    case "heartbeat":
      return {
        ...envelope,
        type: "heartbeat",
        commit: number(body.value.commit),
        readSeq: number(body.value.readSeq),
      };
    case "heartbeatResponse":
      return { ...envelope, type: "heartbeatResp", readSeq: number(body.value.readSeq) };
    case "vote":
      return {
        ...envelope,
        type: body.value.pre ? "preVote" : "vote",
        lastIndex: number(body.value.lastIndex),
        lastTerm: number(body.value.lastTerm),
        transfer: body.value.transfer,
      };
    case "voteResponse":
      return { ...envelope, type: body.value.pre ? "preVoteResp" : "voteResp", reject: body.value.reject };
    case "snapshot":
      return { ...envelope, type: "snap", snapshot: fromWireSnapshot(body.value) };
    case "timeoutNow":
      return { ...envelope, type: "timeoutNow" };
    case "propose":
      return {
        ...envelope,
        type: "prop",
        entries: body.value.entries.map((entry) => ({ type: fromWireType(entry.type), data: entry.data })),
      };
    case "readIndex":
      return { ...envelope, type: "readIndex", readId: body.value.readId };
    case "readIndexResponse":
      return { ...envelope, type: "readIndexResp", readId: body.value.readId, index: number(body.value.index) };
    case "transferLeader":
      return { ...envelope, type: "transferLeader", target: body.value.target };
  }
}

function toWireSnapshot(meta: SnapshotMeta): wire.Snapshot {
  const { voters, learners, votersOutgoing, learnersNext, autoLeave } = meta.conf;
  return {
    index: BigInt(meta.index),
    term: BigInt(meta.term),
    conf: {
      voters: [...voters],
      learners: [...learners],
      votersOutgoing: [...votersOutgoing],
      learnersNext: [...learnersNext],
      autoLeave,
    },
  };
}

function fromWireSnapshot(snapshot: wire.Snapshot): SnapshotMeta {
  const conf: ConfState | undefined = snapshot.conf;
  if (conf === undefined) throw new TriremeError("BadRequest", "a peer sent a snapshot without its members");
  return { index: number(snapshot.index), term: number(snapshot.term), conf };
}
