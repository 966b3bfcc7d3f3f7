import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { chmod, lstat, mkdir, open, readlink } from "node:fs/promises";
import { TriremeError } from "@trireme/base";

/** A descriptor that only names a file: opening a pipe or a device has no effect. Linux' O_PATH, which Node does not name. */
const O_PATH = 0o10000000;
/** Links followed on one way, as in the kernel; more is a circle. */
const MAX_LINKS = 40;

/**
 * Opens a path inside `root` as if `root` were the root of all files: `..` does not leave it, and a link that points out
 * of it is refused. Whoever can write below `root` may change names meanwhile; the answer still is a file of its tree, and
 * the caller must go on with the descriptor, not with the name. Directories that are missing are made when `make` gives
 * their mode. The caller closes the handle.
 */
export async function openInside(root: string, path: string, make?: { readonly mode: number }): Promise<FileHandle> {
  const escape = (): TriremeError => new TriremeError("Invalid", `path "${path}" leaves its volume`);
  if (path.startsWith("/")) throw escape();
  const stack = [await open(root, O_PATH | constants.O_DIRECTORY)];
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  let links = 0;
  let made = false;
  try {
    while (parts.length > 0) {
      const part = parts.shift()!;
      if (part === "..") {
        if (stack.length === 1) throw escape();
        await stack.pop()!.close();
        continue;
      }
      const at = childOf(stack.at(-1)!, part);
      const found = await lstat(at).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      if (found === undefined) {
        if (make === undefined) throw new TriremeError("NotFound", `path "${path}" does not exist in its volume`);
        await mkdir(at, { mode: make.mode }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "EEXIST") throw error;
        });
        made = true;
        parts.unshift(part);
        continue;
      }
      if (found.isSymbolicLink()) {
        const target = await readlink(at);
        if ((links += 1) > MAX_LINKS || target.startsWith("/")) throw escape();
        parts.unshift(...target.split("/").filter((one) => one !== "" && one !== "."));
        continue;
      }
      const next = await open(at, O_PATH | constants.O_NOFOLLOW);
      stack.push(next);
      // The name became a link since we looked at it: somebody plays with us.
      if ((await next.stat()).isSymbolicLink()) throw escape();
      // The process's umask must not take from it.
      if (made) await chmod(`/proc/self/fd/${next.fd}`, make!.mode);
      made = false;
    }
    return stack.pop()!;
  } finally {
    for (const handle of stack) await handle.close();
  }
}

/** The path by which a child of an open directory is reached, whatever the directory's own name is by now. */
export function childOf(directory: FileHandle, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}
