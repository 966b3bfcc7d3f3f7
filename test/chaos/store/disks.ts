import { execFileSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Member } from "./member.ts";

const SECTOR_BYTES = 512;

/** Holds a member's files a few times over, and is soon full. */
const SMALL_DISK_BYTES = 48 * 1024 * 1024;

/** The segments of a member's log, oldest first. */
export function segmentsOf(member: Member): string[] {
  const dir = join(member.dataDir, "wal");
  const names = readdirSync(dir).filter((name) => name.endsWith(".wal"));
  return names.sort().map((name) => join(dir, name));
}

/** Where the last byte that is not zero lies. */
function usedBytes(bytes: Buffer): number {
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === 0) used -= 1;
  return used;
}

/** A sector in the midst of the last record never arrived. Returns where. */
export function tearLastRecord(member: Member): number {
  const file = segmentsOf(member).at(-1)!;
  const bytes = readFileSync(file);
  // The record is larger than three sectors, so that this one lies within it.
  const at = (Math.floor(usedBytes(bytes) / SECTOR_BYTES) - 2) * SECTOR_BYTES;
  bytes.fill(0, at, at + SECTOR_BYTES);
  overwrite(file, bytes);
  return at;
}

/** One bit in the middle of what was written is another. Returns where. */
export function flipBit(member: Member): number {
  const file = segmentsOf(member).at(-1)!;
  const bytes = readFileSync(file);
  let at = Math.floor(usedBytes(bytes) / 2);
  while (bytes[at] === 0) at += 1;
  bytes[at]! ^= 1;
  overwrite(file, bytes);
  return at;
}

function overwrite(file: string, bytes: Buffer): void {
  const handle = openSync(file, "r+");
  writeSync(handle, bytes, 0, bytes.length, 0);
  fsyncSync(handle);
  closeSync(handle);
}

/** Puts a member's data, which must not run, on a small disk of its own. */
export function onSmallDisk(member: Member): void {
  if (readFileSync("/proc/mounts", "utf8").includes(` ${member.dataDir} `)) return;
  const image = join(member.dir, "disk.img");
  writeFileSync(image, "");
  execFileSync("truncate", ["-s", String(SMALL_DISK_BYTES), image]);
  execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", image], { stdio: "pipe" });
  const old = `${member.dataDir}.old`;
  renameSync(member.dataDir, old);
  mkdirSync(member.dataDir);
  execFileSync("mount", ["-o", "loop", image, member.dataDir]);
  // What was never written stays unwritten: blocks that the log has already would let it go on.
  execFileSync("cp", ["-a", "--sparse=always", `${old}/.`, member.dataDir]);
  rmSync(old, { recursive: true });
}

const filler = (member: Member): string => join(member.dataDir, "filler");

/** Fills the member's disk to the last block; returns what the kernel says. */
export function fillDisk(member: Member): string {
  const handle = openSync(filler(member), "a");
  const block = Buffer.alloc(4096, 1);
  try {
    for (;;) {
      writeSync(handle, block);
      // Else the blocks are only promised.
      fsyncSync(handle);
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    closeSync(handle);
  }
}

export function freeDisk(member: Member): void {
  rmSync(filler(member), { force: true });
}
