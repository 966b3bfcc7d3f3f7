import { type KubeObject, apiVersionOf, spokenForm, statusOf } from "@trireme/api";
import type { ErrorStatus, WatchResponse } from "@trireme/proto/trireme/api/v1/manifest";
import type { Target } from "../pipeline/request.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { WatchItem } from "../storage/watch-session.ts";

/** An object as a message carries it: as JSON, or, for people, as a value that tools print. */
interface Carried {
  readonly json: Buffer;
  readonly object: { [field: string]: unknown } | undefined;
}

const NOTHING = Buffer.alloc(0);

/** A value as JSON bytes or, when the request asks for what is readable, as a value. */
export function carry(value: unknown, readable: boolean): Carried {
  const text = JSON.stringify(value);
  // Through JSON, which drops what is undefined: a Struct has no word for it.
  if (readable) return { json: NOTHING, object: JSON.parse(text) as Carried["object"] };
  return { json: Buffer.from(text), object: undefined };
}

/** An object as it was written, in the version that the request speaks. */
export function carryObject(of: Target, object: KubeObject, readable: boolean): Carried {
  return carry(spokenForm(of.spoken ?? of.resource, object), readable);
}

/** A stored object: its own bytes, unless it is asked for in another version or form. */
export function carryStored({ spoken }: Target, state: StoredObject, readable: boolean): Carried {
  if (spoken !== undefined) return carry(spokenForm(spoken, state.object), readable);
  if (!readable) return { json: state.json, object: undefined };
  return { json: NOTHING, object: JSON.parse(state.json.toString()) as Carried["object"] };
}

/** One event of a watch. */
export function carryEvent(of: Target, item: WatchItem, readable: boolean): WatchResponse {
  switch (item.type) {
    case "BOOKMARK": {
      const metadata = { resourceVersion: String(item.revision), creationTimestamp: null };
      const { kind, ...version } = of.spoken ?? of.resource;
      return { type: item.type, ...carry({ kind, apiVersion: apiVersionOf(version), metadata }, readable) };
    }
    case "ERROR":
      return { type: item.type, ...carry(statusOf(item.error), readable) };
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type: item.type, ...carryStored(of, item.state, readable) };
  }
}

/** An error as data. */
export function errorStatusOf(thrown: unknown): ErrorStatus {
  const { reason, message, code } = statusOf(thrown);
  return { reason: reason ?? "", message: message ?? "", code: code ?? 500 };
}
