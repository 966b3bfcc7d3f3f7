import type { SealingKey } from "@trireme/pki";

/** A key without its secret. */
export type KeyName = Pick<SealingKey, "id" | "created">;

/** What a rotation finds. */
export interface RotationState {
  /** The key that writes. */
  readonly writer: string;
  /** The keys of every server that was asked. */
  readonly rings: readonly (readonly KeyName[])[];
}

/** What a rotation does: with a new key, or with the key of one that was interrupted. */
export type RotationPlan =
  | { readonly type: "begin"; readonly drop: readonly string[] }
  | { readonly type: "finish"; readonly key: string; readonly drop: readonly string[] };

/**
 * Whether to begin a rotation or to finish one that broke off, and which keys are dropped at its end. Purely from what is
 * there, so that any number of repetitions ends in the same: every server holds one key, and it seals everything.
 *
 * A key that is newer than the writer was handed out and never put into office: it goes on. A writer beside older keys was
 * put into office, and the older ones not dropped yet. Open values alone are no broken rotation: the new key takes them in.
 */
export function decideRotation(state: RotationState): RotationPlan {
  const all = new Map(state.rings.flat().map((key) => [key.id, key]));
  const others = (kept: string): string[] => [...all.keys()].filter((id) => id !== kept).toSorted();
  const writer = all.get(state.writer);
  const newer = [...all.values()]
    .filter((key) => key.id !== state.writer && (writer === undefined || key.created > writer.created))
    .toSorted(byAge)
    .at(-1);
  if (newer !== undefined) return { type: "finish", key: newer.id, drop: others(newer.id) };
  const isEverywhere = state.rings.every((ring) => ring.some((key) => key.id === state.writer));
  if (all.size > 1 || !isEverywhere) return { type: "finish", key: state.writer, drop: others(state.writer) };
  return { type: "begin", drop: [...all.keys()] };
}

function byAge(a: KeyName, b: KeyName): number {
  return a.created === b.created ? (a.id < b.id ? -1 : 1) : a.created < b.created ? -1 : 1;
}
