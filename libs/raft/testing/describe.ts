import type { ConfState, Entry, Message, NodeId, Ready, StorageAppend } from "../src/types.ts";
import { decodeConfChange } from "../src/conf-change-codec.ts";

// How golden scripts show things: one line each, stable, short. Test support; not part of the package's surface.

const decoder = new TextDecoder();

/** `1/5 "data"`, `1/6 conf +v4`, `1/7 empty`. */
export function describeEntry(entry: Entry): string {
  const at = `${entry.term}/${entry.index}`;
  if (entry.type === "empty") return `${at} empty`;
  if (entry.type === "normal") return `${at} ${JSON.stringify(decoder.decode(entry.data))}`;
  const change = decodeConfChange(entry.data);
  if (change.operations.length === 0) return `${at} conf leave`;
  const operations = change.operations.map(
    ({ op, id }) => `${{ addVoter: "+v", addLearner: "+l", remove: "-" }[op]}${id}`,
  );
  return `${at} conf ${operations.join(" ")}${change.transition === "auto" ? "" : ` ${change.transition}`}`;
}

/** `(1 2)&&(1 2 3) learners=(4) learnersNext=(3) autoLeave`. */
export function describeConf(conf: ConfState): string {
  const list = (ids: readonly NodeId[]): string => `(${ids.join(" ")})`;
  let text = list(conf.voters);
  if (conf.votersOutgoing.length > 0) text += `&&${list(conf.votersOutgoing)}`;
  if (conf.learners.length > 0) text += ` learners=${list(conf.learners)}`;
  if (conf.learnersNext.length > 0) text += ` learnersNext=${list(conf.learnersNext)}`;
  return conf.autoLeave ? `${text} autoLeave` : text;
}

function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(", ")}]`;
}

/** `1->2 app term=1 prev=1/4 commit=4 entries=[1/5 "a"]`. */
export function describeMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${message.type} term=${message.term}`;
  switch (message.type) {
    case "app": {
      const entries = message.entries.length === 0 ? "" : ` entries=${describeEntries(message.entries)}`;
      return `${head} prev=${message.prevTerm}/${message.prevIndex} commit=${message.commit}${entries}`;
    }
    case "appResp":
      if (!message.reject) return `${head} index=${message.index}`;
      return `${head} rejected=${message.index} hint=${message.hintTerm}/${message.hintIndex}`;
    case "heartbeat":
      return `${head} commit=${message.commit}${message.readSeq === 0 ? "" : ` readSeq=${message.readSeq}`}`;
    case "heartbeatResp":
      return `${head}${message.readSeq === 0 ? "" : ` readSeq=${message.readSeq}`}`;
    case "preVote":
    case "vote":
      return `${head} last=${message.lastTerm}/${message.lastIndex}${message.transfer ? " transfer" : ""}`;
    case "preVoteResp":
    case "voteResp":
      return `${head} ${message.reject ? "refused" : "granted"}`;
    case "snap":
      return `${head} snapshot=${message.snapshot.term}/${message.snapshot.index} conf=${describeConf(message.snapshot.conf)}`;
    case "prop": {
      const drafts = message.entries.map(({ type, data }) => `${type} ${JSON.stringify(decoder.decode(data))}`);
      return `${head} ${drafts.join(", ")}`;
    }
    case "readIndex":
      return `${head} read=${message.readId & 0xffffffffn}`;
    case "readIndexResp":
      return `${head} read=${message.readId & 0xffffffffn} index=${message.index}`;
    case "transferLeader":
      return `${head} target=${message.target}`;
    case "timeoutNow":
      return head;
  }
}

/** `write 3 term=1 vote=1 commit=4 entries=[...] sync`. */
export function describeWrite(write: StorageAppend): string {
  const parts = [`write ${write.seq}`];
  if (write.hardState !== undefined) {
    const { term, vote, commit } = write.hardState;
    parts.push(`term=${term} vote=${vote} commit=${commit}`);
  }
  if (write.snapshot !== undefined) {
    parts.push(`snapshot=${write.snapshot.term}/${write.snapshot.index} conf=${describeConf(write.snapshot.conf)}`);
  }
  if (write.entries.length > 0) parts.push(`entries=${describeEntries(write.entries)}`);
  if (write.mustSync) parts.push("sync");
  return parts.join(" ");
}

/** A Ready, one line for each of its parts. */
export function describeReady(ready: Ready): string[] {
  const lines: string[] = [];
  if (ready.softState !== undefined) lines.push(`${ready.softState.role} leader=${ready.softState.leader}`);
  if (ready.append !== undefined) lines.push(describeWrite(ready.append));
  for (const message of ready.messages) lines.push(`send ${describeMessage(message)}`);
  if (ready.committedEntries.length > 0) lines.push(`apply ${describeEntries(ready.committedEntries)}`);
  for (const { id, index } of ready.readStates) lines.push(`read ${id & 0xffffffffn} at index ${index}`);
  for (const id of ready.readsDropped) lines.push(`read ${id & 0xffffffffn} dropped`);
  return lines;
}
