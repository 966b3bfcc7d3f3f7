import type { EndpointSlice } from "@trireme/api";
import { revisionOf, sliceKey } from "./drain-step.ts";

/**
 * A change is named in every acknowledgement for this long: one that is lost is made good by the next, in time for
 * those who wait.
 */
const REPEAT_MS = 3000;
/** Slices named in one acknowledgement: with names of 500 letters it still fits a message of the bus. */
const MAX_NAMED = 400;

/** Which slices a proxy has applied lately; what its acknowledgements say. */
export class AppliedSlices {
  private revisions = new Map<string, number>();
  /** When each recent change was applied, oldest first. */
  private readonly recent = new Map<string, number>();

  /** The proxy has applied all of these; answers what is new of them. */
  take(slices: readonly EndpointSlice[], now: number): Record<string, number> {
    const news: Record<string, number> = {};
    const revisions = new Map<string, number>();
    for (const slice of slices) {
      const key = sliceKey(slice);
      const revision = revisionOf(slice);
      revisions.set(key, revision);
      if (this.revisions.get(key) === revision) continue;
      news[key] = revision;
      this.recent.delete(key);
      this.recent.set(key, now);
    }
    this.revisions = revisions;
    return news;
  }

  /** The acknowledgement as of now: recent changes, the newest of them if there are too many. */
  acknowledgement(now: number): Record<string, number> {
    for (const [key, at] of this.recent) {
      if (now - at > REPEAT_MS || !this.revisions.has(key)) this.recent.delete(key);
    }
    const named = [...this.recent.keys()].slice(-MAX_NAMED);
    return Object.fromEntries(named.map((key) => [key, this.revisions.get(key)!]));
  }
}
