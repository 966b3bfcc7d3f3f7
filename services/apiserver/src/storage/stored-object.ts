import type { KubeObject } from "@trireme/api";

/** The change that an event tells a watcher. */
export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/**
 * One object as of one revision, shared by everyone who reads it. Its JSON is made once, on first demand, and the same
 * bytes go to every list and watcher.
 *
 * Invariant: `object` is never changed after construction.
 */
export class StoredObject {
  readonly path: string;
  readonly object: KubeObject;
  readonly revision: number;
  private bytes: Buffer | undefined;

  constructor(path: string, object: KubeObject, revision: number) {
    this.path = path;
    this.object = object;
    this.revision = revision;
  }

  get json(): Buffer {
    this.bytes ??= Buffer.from(JSON.stringify(this.object));
    return this.bytes;
  }
}

/** One change of one object. `current` is absent when it was deleted, `previous` when it was created. */
export class StoredEvent {
  readonly revision: number;
  readonly path: string;
  readonly current: StoredObject | undefined;
  readonly previous: StoredObject | undefined;
  private gone: StoredObject | undefined;
  private frames: Partial<Record<EventType, Buffer>> = {};

  constructor(revision: number, path: string, current: StoredObject | undefined, previous: StoredObject | undefined) {
    this.revision = revision;
    this.path = path;
    this.current = current;
    this.previous = previous;
  }

  /** What the event type means without a selector. */
  get type(): EventType {
    if (this.current === undefined) return "DELETED";
    return this.previous === undefined ? "ADDED" : "MODIFIED";
  }

  /** The state to send with `type`: for DELETED the last one, stamped with this event's revision as Kubernetes does. */
  stateFor(type: EventType): StoredObject {
    if (type !== "DELETED") return this.current!;
    this.gone ??= restamp(this.previous ?? this.current!, this.revision);
    return this.gone;
  }

  /** The event as a line of a JSON watch stream. */
  frame(type: EventType): Buffer {
    this.frames[type] ??= frameOf(type, this.stateFor(type));
    return this.frames[type];
  }
}

/** One line of a JSON watch stream. */
export function frameOf(type: EventType, state: StoredObject): Buffer {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), state.json, NEWLINE]);
}

const NEWLINE = Buffer.from("}\n");

function restamp(state: StoredObject, revision: number): StoredObject {
  const metadata = { ...state.object.metadata, resourceVersion: String(revision) };
  return new StoredObject(state.path, { ...state.object, metadata }, revision);
}
