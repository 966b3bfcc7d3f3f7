import type { FileHandle } from "node:fs/promises";
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LineSplitter, parseLogLine } from "./cri-log.ts";

/** Which part of a log is wanted, and how. */
export interface LogOptions {
  readonly follow: boolean;
  readonly tailLines?: number;
  readonly sinceMs?: number;
  readonly timestamps: boolean;
  readonly limitBytes?: number;
}

const CHUNK_BYTES = 64 * 1024;
/** A followed log is looked at this often: soon enough for people, and cheap. */
const POLL_MS = 100;

/**
 * Reads a container's log as the container wrote it. With `follow` it goes on until `ended` says that the container has
 * (then once more to the end) or `signal` aborts. Rotated files of this instance are read first.
 */
export async function* readLog(
  path: string,
  options: LogOptions,
  ended: () => Promise<boolean> | boolean,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const piece of pieces(path, options, ended, signal)) {
    const cut = piece.length > left ? piece.subarray(0, left) : piece;
    left -= cut.length;
    if (cut.length > 0) yield cut;
    if (left <= 0) return;
  }
}

async function* pieces(
  path: string,
  options: LogOptions,
  ended: () => Promise<boolean> | boolean,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const render = renderer(options);
  const old = await rotated(path);
  const start = await startOf([...old, path], options.tailLines);
  for (const [index, file] of [...old, path].entries()) {
    if (index < start.file) continue;
    const live = file === path;
    let handle: FileHandle | undefined = await open(file, "r");
    let position = index === start.file ? start.offset : 0;
    let lines = new LineSplitter();
    const buffer = Buffer.alloc(CHUNK_BYTES);
    try {
      for (;;) {
        // Asked before the read: what was written before the end is then surely read.
        const over = !live || !options.follow || signal.aborted || (await ended());
        for (;;) {
          const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, position);
          if (bytesRead === 0) break;
          position += bytesRead;
          const out = lines.push(Buffer.from(buffer.subarray(0, bytesRead))).flatMap(render);
          if (out.length > 0) yield Buffer.concat(out);
        }
        if (over) break;
        const now = await stat(path).catch(() => undefined);
        if (now !== undefined && now.ino !== (await handle.stat()).ino) {
          // The log was rotated: the old file has been read to its end, the new one begins.
          await handle.close();
          handle = await open(path, "r");
          position = 0;
          lines = new LineSplitter();
          continue;
        }
        await pause(POLL_MS, signal);
      }
    } finally {
      await handle.close();
    }
  }
}

function renderer(options: LogOptions): (line: Buffer) => Buffer[] {
  let continued = false;
  return (line) => {
    const entry = parseLogLine(line);
    if (entry === undefined) return [];
    if (options.sinceMs !== undefined && Date.parse(entry.time) < options.sinceMs) return [];
    const stamp = options.timestamps && !continued ? [Buffer.from(`${entry.time} `)] : [];
    continued = entry.partial;
    return [...stamp, entry.text, ...(entry.partial ? [] : [Buffer.from("\n")])];
  };
}

/** The rotated files of an instance's log, oldest first: `0.log.20260101-000000`. */
async function rotated(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${basename(path)}.`))
    .toSorted()
    .map((name) => join(dirname(path), name));
}

/** Where the last `lines` lines begin: file and offset. Reads backwards, so that a tail of a large log is quick. */
async function startOf(files: readonly string[], lines: number | undefined): Promise<{ file: number; offset: number }> {
  if (lines === undefined) return { file: 0, offset: 0 };
  let wanted = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const handle = await open(files[index]!, "r");
    try {
      const { size } = await handle.stat();
      const buffer = Buffer.alloc(CHUNK_BYTES);
      for (let end = size; end > 0;) {
        const begin = Math.max(0, end - CHUNK_BYTES);
        await handle.read(buffer, 0, end - begin, begin);
        for (let at = end - begin - 1; at >= 0; at--) {
          // The newline at the very end closes the last line and begins none.
          if (buffer[at] !== 10 || begin + at === size - 1) continue;
          if (wanted <= 1) return { file: index, offset: wanted === 1 ? begin + at + 1 : size };
          wanted -= 1;
        }
        end = begin;
      }
      if (size > 0) wanted -= 1;
      if (wanted <= 0) return { file: index, offset: lines === 0 ? size : 0 };
    } finally {
      await handle.close();
    }
  }
  return { file: 0, offset: 0 };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
