import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Entry, SnapshotMeta } from "@trireme/raft";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readLog } from "./read.ts";
import { Wal, type WalWrite } from "./wal.ts";

const IDENTITY = { clusterId: 7n, memberId: 9n };
const SEGMENT_BYTES = 64 * 1024;
const META: SnapshotMeta = {
  index: 3,
  term: 1,
  conf: { voters: [9n, 2n ** 63n + 1n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "wal-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const entry = (index: number, text: string, term = 1): Entry => ({
  index,
  term,
  type: "normal",
  data: Buffer.from(text),
});

async function openWal(): Promise<Awaited<ReturnType<typeof Wal.open>>> {
  return Wal.open({
    dir,
    identity: IDENTITY,
    segmentBytes: SEGMENT_BYTES,
    onSync: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
}

async function write(wal: Wal, ...writes: Partial<WalWrite>[]): Promise<void> {
  await Promise.all(
    writes.map(
      (each) => new Promise<void>((onDurable) => wal.append({ entries: [], mustSync: true, ...each, onDurable })),
    ),
  );
}

/** Writes batches of one entry each and closes. */
async function filled(count: number, text = "x".repeat(700)): Promise<void> {
  const { wal } = await openWal();
  for (let i = 1; i <= count; i++) await write(wal, { entries: [entry(i, `${i} ${text}`)] });
  await wal.close();
}

const segments = (): string[] => readdirSync(dir).filter((name) => name.endsWith(".wal"));

function damage(change: (bytes: Buffer) => void, name = segments().at(-1)!): void {
  const file = path.join(dir, name);
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
}

describe("Wal", () => {
  it("gives back what was durable: entries, overwritten suffixes, term and vote, snapshot marks", async () => {
    const { wal } = await openWal();
    await write(wal, {
      entries: [entry(1, "a"), entry(2, "b"), entry(3, "c")],
      hardState: { term: 1, vote: 9n, commit: 1 },
    });
    await write(wal, { snapshot: { meta: META, installed: false } });
    await write(wal, { entries: [entry(2, "B", 2)], hardState: { term: 2, vote: 2n ** 64n - 1n, commit: 2 } });
    await wal.close();
    const { wal: again, contents } = await openWal();
    expect(contents.entries.map((each) => [each.index, each.term, String(each.data)])).toEqual([
      [1, 1, "a"],
      [2, 2, "B"],
    ]);
    expect(contents.hardState).toEqual({ term: 2, vote: 2n ** 64n - 1n, commit: 2 });
    expect(contents.snapshots).toEqual([META]);
    await write(again, { snapshot: { meta: { ...META, index: 9 }, installed: true } });
    await write(again, { entries: [entry(10, "j", 2)] });
    await again.close();
    expect((await readLog(dir)).entries.map((each) => each.index)).toEqual([10]);
  });

  it("lets a commit alone travel with the next write, or with the end of the log", async () => {
    const { wal } = await openWal();
    const committed = async (): Promise<number | undefined> => (await readLog(dir)).hardState?.commit;
    const commit = (index: number): Partial<WalWrite> => {
      return { hardState: { term: 1, vote: 9n, commit: index }, mustSync: false };
    };
    await write(wal, { entries: [entry(1, "a"), entry(2, "b"), entry(3, "c")], hardState: commit(0).hardState });
    const written = wal.writtenBytes;
    await write(wal, commit(1), commit(2));
    expect(wal.writtenBytes).toBe(written);
    expect(await committed()).toBe(0);
    await write(wal, { entries: [entry(4, "d")] });
    expect(await committed()).toBe(2);
    await write(wal, commit(3));
    await wal.close();
    expect(await committed()).toBe(3);
  });

  it("writes what is queued right behind a commit alone", async () => {
    const { wal } = await openWal();
    const hardState = { term: 1, vote: 9n, commit: 0 };
    await write(wal, { hardState, mustSync: false }, { entries: [entry(1, "a")] });
    expect((await readLog(dir)).entries.map(({ index }) => index)).toEqual([1]);
    await wal.close();
  });

  it("acknowledges in order, several writes with one sync", async () => {
    let syncs = 0;
    const { wal } = await Wal.open({
      dir,
      identity: IDENTITY,
      segmentBytes: SEGMENT_BYTES,
      onSync: () => syncs++,
      onFatal: () => undefined,
    });
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 1; i <= 50; i++) {
        const onDurable = (): void => {
          order.push(i);
          if (i === 50) resolve();
        };
        wal.append({ entries: [entry(i, "x")], mustSync: true, onDurable });
      }
    });
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(syncs).toBeLessThanOrEqual(2);
    await wal.close();
  });

  it("rolls over segments, reads through them, and lets old ones go", async () => {
    await filled(300);
    expect(segments().length).toBeGreaterThan(3);
    const { wal, contents } = await openWal();
    expect(contents.entries.length).toBe(300);
    await write(wal, { snapshot: { meta: META, installed: false }, hardState: { term: 4, vote: 1n, commit: 250 } });
    await wal.release(250);
    await write(wal, { entries: Array.from({ length: 80 }, (_, i) => entry(301 + i, "y".repeat(900), 4)) });
    await wal.close();
    const rest = await readLog(dir);
    expect(segments().length).toBeLessThan(4);
    expect(rest.entries.at(-1)!.index).toBe(380);
    expect(rest.entries[0]!.index).toBeLessThanOrEqual(251);
    expect([rest.hardState?.term, rest.snapshots]).toEqual([4, [META]]);
  });

  it("cuts a torn tail off the last segment, keeps it aside, and goes on", async () => {
    await filled(20);
    const { end } = await readLog(dir);
    // A frame of which the middle sector never reached the disk.
    damage((bytes) => {
      bytes.writeUInt32LE(1234, end);
      bytes.writeUInt32LE(1500, end + 4);
      bytes.fill(0xab, end + 8, end + 400);
      bytes.fill(0xcd, end + 1300, end + 1508);
    });
    const { wal, contents } = await openWal();
    expect([contents.entries.length, contents.tornBytes]).toEqual([20, 1508]);
    expect(readdirSync(dir).some((name) => name.endsWith(".broken"))).toBe(true);
    await write(wal, { entries: [entry(21, "after")] });
    await wal.close();
    expect((await readLog(dir)).entries.length).toBe(21);
  });

  it("cuts off what lies behind a hole that was never durable", async () => {
    await filled(3);
    const { end } = await readLog(dir);
    damage((bytes) => bytes.fill(0xee, end + 1024, end + 2048));
    expect((await readLog(dir)).tornBytes).toBe(2048);
    expect((await readLog(dir)).tornBytes).toBe(0);
  });

  it("refuses to start on a flipped bit, wherever it is", async () => {
    await filled(40);
    const { end } = await readLog(dir);
    const pristine = readFileSync(path.join(dir, segments()[0]!));
    for (const at of [100, Math.floor(end / 3), Math.floor(end / 2), end - 100]) {
      writeFileSync(path.join(dir, segments()[0]!), pristine);
      damage((bytes) => {
        bytes[at] = bytes[at]! ^ 0x10;
      });
      await expect(readLog(dir), `byte ${at}`).rejects.toThrow("damaged");
    }
  });

  it("refuses a sector of zeros in the middle of what was durable", async () => {
    await filled(40);
    damage((bytes) => bytes.fill(0, 8192, 8704));
    await expect(readLog(dir)).rejects.toThrow("durable");
  });

  it("refuses a missing or damaged earlier segment", async () => {
    await filled(300);
    const [first, second] = segments();
    const pristine = readFileSync(path.join(dir, first!));
    damage((bytes) => bytes.fill(0, 4096, 8192), first);
    await expect(readLog(dir)).rejects.toThrow("damaged");
    writeFileSync(path.join(dir, first!), pristine);
    rmSync(path.join(dir, second!));
    await expect(readLog(dir)).rejects.toThrow("missing");
  });

  it.each(["write", "datasync"] as const)(
    "F11, B34: after one failed %s it says so once, acknowledges nothing any more and never tries again",
    async (operation) => {
      const fatal: string[] = [];
      const { wal } = await Wal.open({
        dir,
        identity: IDENTITY,
        segmentBytes: SEGMENT_BYTES,
        onSync: () => undefined,
        onFatal: (error) => fatal.push((error as Error).message),
      });
      await write(wal, { entries: [entry(1, "before")] });
      const { handle } = wal as unknown as { handle: FileHandle };
      const real = handle[operation].bind(handle) as (...args: unknown[]) => Promise<unknown>;
      let calls = 0;
      // The first try fails; as on Linux, a second one would succeed and mean nothing.
      (handle as unknown as Record<string, unknown>)[operation] = (...args: unknown[]) =>
        ++calls === 1 ? Promise.reject(new Error(`EIO: ${operation}`)) : real(...args);
      const acknowledged: number[] = [];
      for (const index of [2, 3, 4]) {
        const onDurable = (): number => acknowledged.push(index);
        wal.append({ entries: [entry(index, "lost")], mustSync: true, onDurable });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect([fatal, acknowledged, calls]).toEqual([[`EIO: ${operation}`], [], 1]);
      await handle.close();
    },
  );

  it("refuses another member's log", async () => {
    await filled(1);
    const other = { dir, identity: { clusterId: 7n, memberId: 8n }, segmentBytes: SEGMENT_BYTES };
    await expect(Wal.open({ ...other, onSync: () => undefined, onFatal: () => undefined })).rejects.toThrow("member");
  });
});
