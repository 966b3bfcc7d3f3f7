import { describe, expect, it } from "vitest";
import { Progress } from "./progress.ts";

const BOUNDS = { messages: 3, bytes: 100 };

/** A follower that holds everything up to 5, in replicate, with two messages on their way. */
function replicating(): Progress {
  const progress = new Progress(1, BOUNDS);
  progress.maybeUpdate(5);
  progress.becomeReplicate();
  progress.sentAppend(1, 10, 5);
  progress.sentAppend(2, 10, 7);
  return progress;
}

describe("Progress", () => {
  it("takes no refusal of what was acknowledged: the message was overtaken", () => {
    const progress = replicating();
    expect([progress.next, progress.maybeDecrement(5, 2), progress.next]).toEqual([9, false, 9]);
    expect([progress.maybeDecrement(7, 5), progress.next, progress.sentCommit]).toEqual([true, 6, 5]);
  });

  it("takes no refusal of an earlier probe", () => {
    const progress = new Progress(10, BOUNDS);
    progress.sentAppend(1, 10, 3);
    expect([progress.maybeDecrement(4, 1), progress.next, progress.paused]).toEqual([false, 10, true]);
    expect([progress.maybeDecrement(9, 6), progress.next, progress.paused]).toEqual([true, 7, false]);
    // However wild the hint, never below what is known to agree.
    progress.maybeUpdate(4);
    expect([progress.maybeDecrement(6, 0), progress.next]).toEqual([true, 5]);
  });

  it("tells the commit index again after a probe: what was told may have been lost", () => {
    const progress = replicating();
    progress.becomeProbe();
    expect([progress.next, progress.sentCommit]).toEqual([6, 5]);
  });

  it("has a window of messages and of bytes, which acknowledgements free", () => {
    const progress = replicating();
    expect(progress.windowFull).toBe(false);
    progress.sentAppend(1, 10, 7);
    expect(progress.windowFull).toBe(true);
    progress.free(6);
    expect([progress.windowFull, progress.isPaused]).toEqual([false, false]);
    progress.sentAppend(1, 90, 7);
    expect([progress.windowFull, progress.isPaused]).toEqual([true, true]);
  });
});
