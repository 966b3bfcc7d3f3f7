// Stands for node:fs/promises in a simulated process: the calls that the store makes, on the machine's simulated disk.
import type { Inode } from "./disk.ts";
import { type Host, world } from "./world.ts";

/** Milliseconds that an operation takes which does not wait for the disk itself. */
const CACHED_MS = 0.02;

function host(): Host {
  const { current } = world;
  if (current === undefined) throw new Error("only a simulated machine has files");
  return current;
}

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), { code: "ENOENT" });
}

/**
 * Carries out `act` after a while, and tells it a little later still: a crash between the two leaves the effect without
 * anybody having been told.
 */
function operate<T>(ms: number, act: () => T): Promise<T> {
  const machine = host();
  const { disk } = world.chance;
  const wait = Math.max(ms, machine.disk.hungUntil - world.now);
  return new Promise((resolve, reject) => {
    world.after(
      wait,
      () => {
        let tell: () => void;
        try {
          const result = act();
          tell = () => resolve(result);
        } catch (error) {
          tell = () => reject(error as Error);
        }
        if (disk.next() < 0.8 && machine.pausedUntil <= world.now) tell();
        else world.after(disk.next() * 2, tell);
      },
      true,
    );
  });
}

function syncMs(machine: Host): number {
  // Mostly near the median, now and then ten times as long.
  const { disk } = world.chance;
  return machine.disk.syncMs * (0.5 + disk.next()) * (disk.next() < 0.02 ? 10 : 1);
}

/** An open file or directory. */
class SimHandle {
  private readonly machine: Host;
  private readonly path: string;
  private readonly inode: Inode | undefined;
  private position = 0;

  constructor(machine: Host, path: string, inode: Inode | undefined) {
    this.machine = machine;
    this.path = path;
    this.inode = inode;
  }

  private get file(): Inode {
    if (this.inode === undefined) throw new Error(`EISDIR: ${this.path}`);
    return this.inode;
  }

  write(
    buffer: Uint8Array,
    offset = 0,
    length = buffer.length - offset,
    position: number | null = null,
  ): Promise<{ bytesWritten: number; buffer: Uint8Array }> {
    const at = position ?? this.position;
    if (position === null) this.position += length;
    // The bytes are read when the write happens: a buffer that is used again too early tears.
    return operate(CACHED_MS, () => {
      this.file.write(buffer.subarray(offset, offset + length), at);
      return { bytesWritten: length, buffer };
    });
  }

  read(buffer: Buffer, offset: number, length: number, position: number | null = null) {
    const at = position ?? this.position;
    return operate(CACHED_MS, () => {
      const { data, size } = this.file;
      const bytesRead = Math.max(0, Math.min(length, size - at));
      data.copy(buffer, offset, at, at + bytesRead);
      if (position === null) this.position += bytesRead;
      return { bytesRead, buffer };
    });
  }

  stat(): Promise<{ size: number; blocks: number }> {
    return operate(0, () => ({ size: this.file.size, blocks: this.file.blocks }));
  }

  truncate(size: number): Promise<void> {
    return operate(CACHED_MS, () => this.file.truncate(size));
  }

  sync(): Promise<void> {
    const { disk } = this.machine;
    return operate(syncMs(this.machine), () => {
      if (this.inode === undefined) {
        disk.syncDir(this.path);
        return;
      }
      if (disk.failNextSync) {
        disk.failNextSync = false;
        this.inode.failSync();
        throw Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
      }
      this.inode.sync();
    });
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  close(): Promise<void> {
    return operate(0, () => undefined);
  }
}

export function open(path: string, flags = "r"): Promise<SimHandle> {
  const machine = host();
  const { disk } = machine;
  return operate(CACHED_MS, () => {
    if (disk.isDir(path)) return new SimHandle(machine, path, undefined);
    const found = disk.lookup(path);
    if (flags.startsWith("w")) {
      if (found !== undefined) found.truncate(0);
      return new SimHandle(machine, path, found ?? disk.create(path));
    }
    if (found === undefined) throw missing(path);
    return new SimHandle(machine, path, found);
  });
}

export function mkdir(path: string, _options?: unknown): Promise<void> {
  const { disk } = host();
  return operate(CACHED_MS, () => disk.mkdir(path));
}

export function readdir(path: string): Promise<string[]> {
  const { disk } = host();
  return operate(CACHED_MS, () => {
    if (!disk.isDir(path)) throw missing(path);
    return disk.list(path);
  });
}

export function rename(from: string, to: string): Promise<void> {
  const { disk } = host();
  return operate(CACHED_MS, () => {
    if (disk.lookup(from) === undefined) throw missing(from);
    disk.rename(from, to);
  });
}

export function unlink(path: string): Promise<void> {
  const { disk } = host();
  return operate(CACHED_MS, () => {
    if (disk.lookup(path) === undefined) throw missing(path);
    disk.unlink(path);
  });
}

export function rm(path: string, options: { readonly force?: boolean } = {}): Promise<void> {
  const { disk } = host();
  return operate(CACHED_MS, () => {
    if (disk.lookup(path) !== undefined) disk.unlink(path);
    else if (options.force !== true) throw missing(path);
  });
}

export function readFile(path: string): Promise<Buffer> {
  const { disk } = host();
  return operate(CACHED_MS, () => {
    const inode = disk.lookup(path);
    if (inode === undefined) throw missing(path);
    return Buffer.from(inode.data.subarray(0, inode.size));
  });
}

export function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  const { disk } = host();
  return operate(CACHED_MS, () => {
    const inode = disk.lookup(path) ?? disk.create(path);
    inode.truncate(0);
    inode.write(bytes, 0);
  });
}
