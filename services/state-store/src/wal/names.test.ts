import { mkdtempSync, rmSync } from "node:fs";
import type { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Wal } from "./wal.ts";

/** Directories that were synced, in order. */
const synced: string[] = [];

vi.mock(import("node:fs/promises"), async (load) => {
  const real = await load();
  const open: typeof openFile = async (file, ...rest) => {
    const handle = await real.open(file, ...rest);
    const isDirectory = (await handle.stat()).isDirectory();
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      if (isDirectory) synced.push(String(file));
      await sync();
    };
    return handle;
  };
  return { ...real, open };
});

let dir: string;

beforeEach(() => {
  dir = path.join(mkdtempSync(path.join(tmpdir(), "trireme-names-")), "wal");
});

afterEach(() => rmSync(path.dirname(dir), { recursive: true, force: true }));

it("makes the segments' names durable before it builds on them", async () => {
  // A process that dies between the renaming of a segment and the syncing of its directory leaves a name that only the page
  // cache knows. The next life reads it, appends to it and acknowledges; then power fails, and the whole segment is gone.
  const options = { dir, identity: { clusterId: 1n, memberId: 2n }, segmentBytes: 4096, onSync: () => undefined };
  const onFatal = (error: unknown): never => {
    throw error;
  };
  const first = await Wal.open({ ...options, onFatal });
  await first.wal.close();
  synced.length = 0;
  const second = await Wal.open({ ...options, onFatal });
  expect(synced).toEqual([dir]);
  await second.wal.close();
});
