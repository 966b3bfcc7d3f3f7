import { type KubeObject, type Table, apiVersionOf, spokenForm, statusOf } from "@trireme/api";
import type { WatchItem, WatchSession } from "../storage/watch-session.ts";
import { type Exchange, flushHead, write } from "./exchange.ts";
import type { Format } from "./negotiation.ts";
import { type Faces, partialOf, tableOf } from "./rendering.ts";

/** Longest watch; clients ask for 5 to 10 minutes and come back. */
const MAX_WATCH_SECONDS = 3600;

/** Marks the bookmark after the last initial event (`sendInitialEvents`). */
const INITIAL_END = { "k8s.io/initial-events-end": "true" };

/** Streams a watch until the client goes, its time is over, or the session ends. */
export async function streamWatch(
  exchange: Exchange,
  of: Faces,
  session: WatchSession,
  format: Format,
  now: () => number,
  onEvents: (count: number) => void,
): Promise<void> {
  const { response, query, signal } = exchange;
  const asked = Number(query.get("timeoutSeconds") ?? MAX_WATCH_SECONDS);
  const seconds = Number.isFinite(asked) && asked > 0 ? Math.min(asked, MAX_WATCH_SECONDS) : MAX_WATCH_SECONDS;
  const timer = setTimeout(() => session.close(), seconds * 1000);
  const onGone = (): void => session.close();
  signal.addEventListener("abort", onGone, { once: true });
  try {
    response.statusCode = 200;
    response.setHeader("content-type", "application/json;stream=watch");
    response.setHeader("cache-control", "no-cache, private");
    // A client waits for the headers before it reads: they must not wait for the first event.
    flushHead(response);
    const encode = encoderFor(of, format, query, now);
    for (let items = await session.next(); items !== undefined; items = await session.next()) {
      onEvents(items.length);
      await write(response, Buffer.concat(items.map(encode)), signal);
    }
    response.end();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onGone);
    session.close();
  }
}

type Encoder = (item: WatchItem) => Buffer;

function encoderFor(of: Faces, format: Format, query: URLSearchParams, now: () => number): Encoder {
  const render = rendererFor(of, format, query, now);
  return (item) => {
    switch (item.type) {
      case "BOOKMARK":
        return line("BOOKMARK", render.bookmark(item.revision, item.endsInitial));
      case "ERROR":
        return line("ERROR", statusOf(item.error));
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        return render.state === undefined ? item.frame() : line(item.type, render.state(item.state.object));
    }
  };
}

interface Renderer {
  /** Absent when the object's own bytes serve. */
  readonly state: ((object: KubeObject) => unknown) | undefined;
  bookmark(revision: number, endsInitial: boolean): unknown;
}

function rendererFor(of: Faces, format: Format, query: URLSearchParams, now: () => number): Renderer {
  const { spoken = of.resource } = of;
  const bookmarkOf = (kind: string, apiVersion: string, revision: number, endsInitial: boolean): KubeObject => ({
    kind,
    apiVersion,
    metadata: {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(endsInitial ? { annotations: INITIAL_END } : {}),
    } as unknown as KubeObject["metadata"],
  });
  if (format === "json") {
    return {
      state: spoken.conversion === undefined ? undefined : (object) => spokenForm(spoken, object),
      bookmark: (revision, ends) => bookmarkOf(spoken.kind, apiVersionOf(spoken), revision, ends),
    };
  }
  if (format === "metadata") {
    return {
      state: (object) => partialOf(spokenForm(spoken, object)),
      bookmark: (revision, ends) => bookmarkOf("PartialObjectMetadata", "meta.k8s.io/v1", revision, ends),
    };
  }
  let isFirst = true;
  const table = (objects: KubeObject[], revision: string): Table => {
    const out = tableOf(of, objects, query, now());
    // Columns go with the first event only; kubectl keeps them.
    if (!isFirst) out.columnDefinitions = [];
    isFirst = false;
    out.metadata = { resourceVersion: revision };
    return out;
  };
  return {
    state: (object) => table([object], object.metadata.resourceVersion ?? ""),
    bookmark(revision, ends) {
      const out = table([], String(revision));
      const bookmark = bookmarkOf(spoken.kind, apiVersionOf(spoken), revision, ends);
      // A row carries the annotations: clients look for the end of the initial events there.
      return ends
        ? { ...out, rows: [{ cells: out.columnDefinitions.map(() => ""), object: partialOf(bookmark) }] }
        : out;
    },
  };
}

function line(type: string, object: unknown): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}
