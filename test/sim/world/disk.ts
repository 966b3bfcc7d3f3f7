import type { Prng } from "@trireme/base";

/** Disks write sectors whole. */
const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

/** A file's bytes as the process sees them and as the disk holds them. */
export class Inode {
  data = Buffer.alloc(0);
  size = 0;
  /** Sectors written since the last sync. */
  private readonly dirty = new Set<number>();
  private durable = Buffer.alloc(0);
  private durableSize = 0;
  private written = 0;

  /** 512-byte blocks that the file system has given the file: holes have none. */
  get blocks(): number {
    return (Math.ceil(this.written / PAGE_BYTES) * PAGE_BYTES) / SECTOR_BYTES;
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.data.length) this.grow(end);
    this.data.set(bytes, position);
    this.size = Math.max(this.size, end);
    this.written = Math.max(this.written, end);
    this.touch(position, end);
  }

  private touch(start: number, end: number): void {
    for (let sector = Math.floor(start / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) this.dirty.add(sector);
  }

  truncate(size: number): void {
    // What lies behind the new end must become zeros on the disk, too, before anything else can stand there.
    this.touch(size, this.size);
    if (size > this.data.length) this.grow(size);
    else this.data.fill(0, size);
    this.size = size;
  }

  private grow(least: number): void {
    const larger = Buffer.alloc(Math.max(least, this.data.length * 2));
    this.data.copy(larger);
    this.data = larger;
  }

  /** Everything is on the disk. */
  sync(): void {
    this.reserve();
    for (const sector of this.dirty) this.store(sector);
    this.dirty.clear();
    this.durableSize = this.size;
  }

  /** The sync failed: the pages are dropped, and what is read from now on is what the disk has. */
  failSync(): void {
    this.reserve();
    for (const sector of this.dirty) {
      const start = sector * SECTOR_BYTES;
      this.durable.copy(this.data, start, start, Math.min(start + SECTOR_BYTES, this.data.length));
    }
    this.dirty.clear();
  }

  private reserve(): void {
    if (this.durable.length >= this.data.length) return;
    const larger = Buffer.alloc(this.data.length);
    this.durable.copy(larger);
    this.durable = larger;
  }

  private store(sector: number): void {
    const start = sector * SECTOR_BYTES;
    this.data.copy(this.durable, start, start, Math.min(start + SECTOR_BYTES, this.data.length));
  }

  /** Power fails: of what was not synced, each sector is on the disk with this probability. */
  crash(prng: Prng, keep: number): void {
    this.reserve();
    let kept = 0;
    for (const sector of this.dirty) {
      if (prng.next() >= keep) continue;
      kept += 1;
      this.store(sector);
    }
    if (kept > 0) this.durableSize = Math.max(this.durableSize, this.size);
    this.dirty.clear();
    this.data = Buffer.from(this.durable);
    this.size = this.durableSize;
    this.written = this.size;
  }
}

interface NameChange {
  readonly dir: string;
  readonly name: string;
  readonly inode: Inode | undefined;
  /** A rename also takes the old name away, in the same breath. */
  readonly from?: string;
}

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/**
 * A disk under a file system: bytes are durable when their file was synced, names when their directory was. Power loss
 * keeps any subset of the sectors that were not synced, and any prefix of the name changes (file systems journal them).
 */
export class SimDisk {
  /** How long a sync takes at the median, milliseconds. */
  syncMs = 0.5;
  /** Operations do not end before this moment: the disk hangs. */
  hungUntil = 0;
  /** The next sync fails. */
  failNextSync = false;
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private pending: NameChange[] = [];
  private readonly dirs = new Set<string>();

  mkdir(path: string): void {
    this.dirs.add(path);
  }

  isDir(path: string): boolean {
    return this.dirs.has(path);
  }

  lookup(path: string): Inode | undefined {
    return this.names.get(path);
  }

  list(dir: string): string[] {
    const found: string[] = [];
    for (const path of this.names.keys()) if (dirOf(path) === dir) found.push(path.slice(dir.length + 1));
    return found;
  }

  create(path: string): Inode {
    const inode = new Inode();
    this.names.set(path, inode);
    this.pending.push({ dir: dirOf(path), name: path, inode });
    return inode;
  }

  rename(from: string, to: string): void {
    const inode = this.names.get(from)!;
    this.names.delete(from);
    this.names.set(to, inode);
    this.pending.push({ dir: dirOf(to), name: to, inode, from });
  }

  unlink(path: string): void {
    this.names.delete(path);
    this.pending.push({ dir: dirOf(path), name: path, inode: undefined });
  }

  syncDir(dir: string): void {
    const rest: NameChange[] = [];
    for (const change of this.pending) {
      if (change.dir === dir) this.settle(change);
      else rest.push(change);
    }
    this.pending = rest;
  }

  private settle({ name, inode, from }: NameChange): void {
    if (from !== undefined) this.durableNames.delete(from);
    if (inode === undefined) this.durableNames.delete(name);
    else this.durableNames.set(name, inode);
  }

  /** Power fails. */
  crash(prng: Prng): void {
    const survive = prng.int(0, this.pending.length);
    for (const change of this.pending.slice(0, survive)) this.settle(change);
    this.pending = [];
    this.names = new Map(this.durableNames);
    // Sometimes nothing that was not synced survives, sometimes nearly all of it, mostly some.
    const luck = [0, 0, 0.5, 0.9, 1][prng.int(0, 4)]!;
    for (const inode of new Set(this.names.values())) inode.crash(prng, luck);
    this.hungUntil = 0;
    this.failNextSync = false;
  }

  /** The machine gets an empty disk. */
  wipe(): void {
    this.names.clear();
    this.durableNames.clear();
    this.pending = [];
    this.dirs.clear();
  }
}
