import type { KeyValue } from "./types.ts";

/** One write of one key. A key's versions form a chain, newest first; history is the chain's tail. */
export interface Version extends KeyValue {
  /** Order of the write within its transaction. */
  readonly sub: number;
  prev: Version | undefined;
}

/** Whether this version is a deletion. */
export function isTombstone(version: Version): boolean {
  return version.version === 0;
}

/** The newest version at or before `revision`, deletions included. */
export function versionAt(head: Version | undefined, revision: number): Version | undefined {
  let version = head;
  while (version !== undefined && version.modRevision > revision) version = version.prev;
  return version;
}
