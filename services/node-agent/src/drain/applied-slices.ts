import type { EndpointSlice } from "@trireme/api";
import { revisionOf, sliceKey } from "./drain-step.ts";

/**
 * A change is named in every acknowledgement for this long: one that is lost is made good by the next, in time for
 * those who wait.
 */
const REPEAT_MS = 3000;
/** Slices named in one acknowledgement: with names of 500 letters it still fits a message of the bus and an annotation. */
const MAX_NAMED = 400;

interface Applied {
  readonly revision: number;
  /** It lists a pod that is ending, or its predecessor did: somebody may wait for this revision. */
  readonly ending: boolean;
  readonly hasEnding: boolean;
}

/** Which slices a proxy has applied lately; what its acknowledgements say. */
export class AppliedSlices {
  private slices = new Map<string, Applied>();
  /** When each recent change was applied, oldest first. */
  private readonly recent = new Map<string, number>();

  /** The proxy has applied all of these; answers what is new of them. */
  take(slices: readonly EndpointSlice[], now: number): Record<string, number> {
    const news: Record<string, number> = {};
    const next = new Map<string, Applied>();
    for (const slice of slices) {
      const key = sliceKey(slice);
      const revision = revisionOf(slice);
      const before = this.slices.get(key);
      if (before?.revision === revision) {
        next.set(key, before);
        continue;
      }
      const hasEnding = slice.endpoints?.some((endpoint) => endpoint.conditions?.terminating === true) ?? false;
      next.set(key, { revision, hasEnding, ending: hasEnding || before?.hasEnding === true });
      news[key] = revision;
      this.recent.delete(key);
      this.recent.set(key, now);
    }
    this.slices = next;
    return news;
  }

  /** The acknowledgement as of now: recent changes, the newest of them if there are too many. */
  acknowledgement(now: number): Record<string, number> {
    for (const [key, at] of this.recent) {
      if (now - at > REPEAT_MS || !this.slices.has(key)) this.recent.delete(key);
    }
    const named = [...this.recent.keys()].slice(-MAX_NAMED);
    return Object.fromEntries(named.map((key) => [key, this.slices.get(key)!.revision]));
  }

  /** Of the acknowledgement what pods that are ending may wait for. */
  endings(now: number): Record<string, number> {
    const all = Object.entries(this.acknowledgement(now));
    return Object.fromEntries(all.filter(([key]) => this.slices.get(key)!.ending));
  }
}
