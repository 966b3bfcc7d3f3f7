import type { StreamMessage } from "@trireme/bus";
import type { ApiObject } from "@trireme/client";
import { describe, expect, it } from "vitest";
import { type InformerCommand, InformerCore, STREAM_SILENCE_MS } from "./informer-core.ts";

const pod = (name: string, revision: number): ApiObject => ({
  metadata: { namespace: "ns", name, resourceVersion: String(revision) },
});

function event(seq: number, revision: number, object: ApiObject | undefined, name = "a"): StreamMessage {
  const base = { v: 1, kind: "event", epoch: "7", seq, revision, type: "MODIFIED", key: `ns/${name}` } as const;
  return object === undefined ? base : { ...base, object: object as unknown as Readonly<Record<string, unknown>> };
}

function bookmark(seq: number, revision: number, more: { atRevision?: number; epoch?: string } = {}): StreamMessage {
  return { v: 1, kind: "bookmark", epoch: "7", seq, revision, ...more };
}

/** A core that follows the stream at seq 0, everything known up to revision 10. */
function streaming(objects: readonly ApiObject[] = []): InformerCore<ApiObject> {
  const core = new InformerCore<ApiObject>();
  core.start();
  core.onListed(1, objects, 10);
  core.onStream(bookmark(0, 10), 0);
  expect(core.mode).toBe("stream");
  return core;
}

const types = (commands: readonly InformerCommand[]): string[] => commands.map((command) => command.type);

describe("InformerCore", () => {
  it("lists, watches from the list's revision, and follows the stream once it lags behind what is known", () => {
    const core = new InformerCore<ApiObject>();
    expect(core.start().commands).toEqual([{ type: "list", session: 1, pauseMs: 0 }]);
    expect(core.onListed(1, [pod("a", 4)], 10)).toEqual({
      changes: [{ type: "added", key: "ns/a", object: pod("a", 4) }],
      commands: [{ type: "watch", session: 2, pauseMs: 0, from: 10 }],
    });
    expect(core.onStream(bookmark(3, 12), 0).commands).toEqual([]);
    expect(core.onWatchEvent(2, { type: "MODIFIED", object: pod("a", 12) }).changes[0]?.type).toBe("modified");
    // One event of revision 12 was seen; only the bookmark's count says that it was the only one.
    expect(core.onStream(bookmark(3, 12, { atRevision: 2 }), 0).commands).toEqual([]);
    expect(types(core.onStream(bookmark(3, 12, { atRevision: 1 }), 0).commands)).toEqual(["closeWatch"]);
    expect([core.mode, core.complete]).toEqual(["stream", 12]);
  });

  it.each([
    ["a gap", (core: InformerCore<ApiObject>) => core.onStream(event(2, 12, pod("a", 12)), 1)],
    ["a lost tail", (core: InformerCore<ApiObject>) => core.onStream(bookmark(1, 12), 1)],
    ["a new relay", (core: InformerCore<ApiObject>) => core.onStream(bookmark(0, 10, { epoch: "8" }), 1)],
    ["silence", (core: InformerCore<ApiObject>) => core.onTick(STREAM_SILENCE_MS)],
    ["a bus that is down", (core: InformerCore<ApiObject>) => core.onBusDown()],
  ])("watches the API from its revision after %s", (_, happen) => {
    const core = streaming();
    expect(happen(core).commands).toMatchObject([{ type: "watch", from: 10 }]);
    expect(core.mode).toBe("watch");
  });

  it("ignores doubled and late messages and those of a relay that was replaced", () => {
    const core = streaming();
    core.onStream(event(1, 11, pod("a", 11)), 0);
    for (const message of [event(1, 11, pod("a", 11)), bookmark(0, 10), bookmark(9, 9, { epoch: "6" })]) {
      expect(core.onStream(message, 0)).toEqual({ changes: [], commands: [] });
    }
    expect(core.mode).toBe("stream");
  });

  it("lists again when its revision is too old, and takes out what is gone", () => {
    const core = streaming([pod("a", 4), pod("b", 5)]);
    core.onBusDown();
    expect(core.onWatchEnded(4, "expired").commands).toMatchObject([
      { type: "closeWatch" },
      { type: "list", session: 5 },
    ]);
    const { changes } = core.onListed(5, [pod("b", 5), pod("c", 20)], 30);
    expect(changes.map((change) => `${change.type} ${change.key}`)).toEqual(["added ns/c", "deleted ns/a"]);
  });

  it("backs off when the API fails, and begins anew after a success", () => {
    const core = new InformerCore<ApiObject>();
    core.start();
    const pauses: number[] = [];
    for (let session = 1; session < 10; session++) {
      const [command] = core.onListFailed(session).commands;
      if (command?.type === "list") pauses.push(command.pauseMs);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    core.onListed(10, [], 1);
    expect(core.onWatchEnded(11, "failed").commands).toMatchObject([{ pauseMs: 50 }]);
  });

  it("reads an object that did not ride along, and never takes an answer that a later event overtook", () => {
    const core = streaming();
    expect(core.onStream(event(1, 11, undefined), 0).commands).toMatchObject([{ type: "fetch", revision: 11 }]);
    expect(core.onStream(event(2, 12, undefined), 0).commands).toMatchObject([{ type: "fetch", revision: 12 }]);
    expect(core.onFetched(3, "ns/a", 11, pod("a", 11)).changes).toEqual([]);
    core.onStream(event(3, 15, pod("b", 15), "b"), 0);
    expect(core.complete).toBe(10);
    expect(core.onFetched(3, "ns/a", 12, pod("a", 13)).changes).toHaveLength(1);
    expect(core.onStream(event(4, 13, pod("a", 13)), 0).changes).toEqual([]);
    core.onStream(event(5, 16, pod("b", 16), "b"), 0);
    expect(core.complete).toBe(15);
  });

  it("takes what does not match, or is gone when read, for deleted", () => {
    const core = new InformerCore<ApiObject>((object) => object.metadata.name !== "x");
    core.start();
    core.onListed(1, [pod("a", 4), pod("b", 5)], 10);
    core.onStream(bookmark(0, 10), 0);
    core.onStream(event(1, 11, undefined), 0);
    expect(core.onFetched(3, "ns/a", 11, undefined).changes).toMatchObject([{ type: "deleted", key: "ns/a" }]);
    const moved = { ...pod("x", 12) };
    expect(core.onStream(event(2, 12, moved, "b"), 0).changes).toMatchObject([{ type: "deleted", key: "ns/b" }]);
  });

  it("watches instead when too many objects would have to be read", () => {
    const core = streaming();
    for (let i = 1; i <= 32; i++) core.onStream(event(i, 10 + i, undefined, `p${i}`), 0);
    expect(core.onStream(event(33, 43, undefined, "p33"), 0).commands).toMatchObject([{ type: "watch", from: 10 }]);
  });

  it("ignores everything that comes after it was stopped", () => {
    const core = streaming();
    core.stop();
    expect(core.onStream(event(1, 11, pod("a", 11)), 0).changes).toEqual([]);
    expect(core.onBusDown().commands).toEqual([]);
    expect(core.mode).toBe("idle");
  });
});
