/**
 * What controllers are made of: informers (a local copy of a resource), work queues of keys, elections and the
 * reconcile loop.
 *
 * Callers' duties: reconcile by key, level triggered; read from informers and never mutate what they give; wait for
 * `synced` before the first decision; act only with the signal and the fence of your election.
 */
export type { Change, Informer, ListWatch } from "./informer-types.ts";
export { type EventRecorder, type EventRecorderOptions, createEventRecorder } from "./event-recorder.ts";
