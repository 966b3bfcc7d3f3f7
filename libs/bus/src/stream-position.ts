import type { StreamMessage } from "./messages.ts";

/** How far a consumer is in one stream. */
export interface StreamPosition {
  readonly epoch: string;
  /** Sequence number of the last event taken. */
  readonly seq: number;
}

/**
 * What a message means to a consumer at a position: `next` is the event to take; `current` a bookmark that confirms the
 * position; `old` anything that lies behind it (doubled, late, or of a relay that was replaced); `gap` says that something
 * was lost; `epoch` that another relay took over.
 */
export type StreamVerdict = "next" | "current" | "old" | "gap" | "epoch";

/** Our relay's epochs end in numbers that only grow: `<term>` or `<term>-<count>`; anything else has no order. */
const ORDERED_EPOCH = /(?:^|-)(\d+)(?:-(\d+))?$/;

function isOlderEpoch(candidate: string, than: string): boolean {
  const [a, b] = [ORDERED_EPOCH.exec(candidate), ORDERED_EPOCH.exec(than)];
  if (a === null || b === null) return false;
  const byTerm = Number(a[1]) - Number(b[1]);
  return byTerm < 0 || (byTerm === 0 && Number(a[2] ?? 0) < Number(b[2] ?? 0));
}

/** Detects gaps: judges one message against a position. Pure. */
export function judgeStreamMessage(position: StreamPosition, message: StreamMessage): StreamVerdict {
  if (message.epoch !== position.epoch) return isOlderEpoch(message.epoch, position.epoch) ? "old" : "epoch";
  if (message.kind === "bookmark") {
    if (message.seq === position.seq) return "current";
    return message.seq < position.seq ? "old" : "gap";
  }
  if (message.seq <= position.seq) return "old";
  return message.seq === position.seq + 1 ? "next" : "gap";
}
