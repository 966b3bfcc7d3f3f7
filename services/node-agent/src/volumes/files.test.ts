/** What the agent writes and opens in volumes, on a real file system: attacks by whoever can write in a volume too. */
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeAtomically } from "./atomic-files.ts";
import { giveToGroup } from "./ownership.ts";
import { openInside } from "./safe-path.ts";

let dir = "";
let root = "";
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "trireme-volumes-"));
  root = join(dir, "volume");
  await mkdir(join(root, "a", "b"), { recursive: true });
  await mkdir(join(dir, "outside"));
  writeFileSync(join(dir, "outside", "secret"), "not yours", { mode: 0o600 });
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("a path inside a volume", () => {
  const opened = async (path: string, make?: { mode: number }): Promise<string> => {
    const handle = await openInside(root, path, make);
    try {
      return readlinkSync(`/proc/self/fd/${handle.fd}`).replace(root, "");
    } finally {
      await handle.close();
    }
  };

  it("is what its name says, through links that stay inside", async () => {
    symlinkSync("b", join(root, "a", "link"));
    symlinkSync("../a/link", join(root, "a", "way"));
    expect(await opened("a//./b")).toBe("/a/b");
    expect(await opened("a/way")).toBe("/a/b");
    expect(await opened("a/b/../b")).toBe("/a/b");
  });

  it.each([
    ["..", ""],
    ["a/../..", ""],
    ["/etc", ""],
    ["link/secret", "../outside"],
    ["link", "../outside/secret"],
    ["link", "/etc"],
    ["link", "link"],
  ])("never leads out: %s (link to %s)", async (path, target) => {
    if (target !== "") symlinkSync(target, join(root, "link"));
    await expect(opened(path)).rejects.toThrow("leaves its volume");
  });

  it("is made where it is missing and that is wanted, with the volume's own mode", async () => {
    await expect(opened("x/y")).rejects.toThrow("does not exist in its volume");
    expect(await opened("x/y", { mode: 0o2777 })).toBe("/x/y");
    expect(statSync(join(root, "x", "y")).mode & 0o7777).toBe(0o2777);
    symlinkSync("../outside", join(root, "link"));
    await expect(opened("link/new", { mode: 0o777 })).rejects.toThrow("leaves its volume");
    expect(readdirSync(join(dir, "outside"))).toEqual(["secret"]);
  });
});

describe("files that change at once", () => {
  const file = (path: string, text: string, mode = 0o644) => ({ path, mode, data: Buffer.from(text) });
  const text = (path: string): string => readFileSync(join(root, path), "utf8");

  it("are links through ..data, which alone is replaced", async () => {
    root = join(dir, "config");
    expect(await writeAtomically(root, [file("k", "1"), file("d/e", "2", 0o400)])).toBe(true);
    expect([text("k"), text("d/e"), readlinkSync(join(root, "k"))]).toEqual(["1", "2", "..data/k"]);
    expect(statSync(join(root, "d/e")).mode & 0o777).toBe(0o400);
    const before = readlinkSync(join(root, "..data"));
    expect(await writeAtomically(root, [file("k", "1"), file("d/e", "2", 0o400)])).toBe(false);
    expect(readlinkSync(join(root, "..data"))).toBe(before);
    expect(await writeAtomically(root, [file("k", "3"), file("new", "4")])).toBe(true);
    expect([text("k"), text("new")]).toEqual(["3", "4"]);
    expect(readdirSync(root).toSorted()).toEqual([readlinkSync(join(root, "..data")), "..data", "k", "new"].toSorted());
  });

  it("go on after an attempt that was cut short", async () => {
    root = join(dir, "config");
    await writeAtomically(root, [file("k", "1")]);
    symlinkSync("..half", join(root, "..data_tmp"));
    await mkdir(join(root, "..half"));
    await writeAtomically(root, [file("k", "2")]);
    expect(text("k")).toBe("2");
    expect(readdirSync(root)).not.toContain("..half");
  });

  it("do not leave their volume", async () => {
    for (const path of ["../x", "/x", "a/../../x"]) {
      await expect(writeAtomically(join(dir, "config"), [file(path, "")])).rejects.toThrow("leaves its volume");
    }
  });
});

describe.runIf(process.getuid?.() === 0)("a volume of a group", () => {
  it("is the group's with everything in it, and nothing outside is touched", async () => {
    writeFileSync(join(root, "a", "file"), "", { mode: 0o600 });
    symlinkSync("../../outside/secret", join(root, "a", "link"));
    await giveToGroup(root, 4242);
    for (const path of ["", "a", "a/b"]) {
      const { gid, mode } = statSync(join(root, path));
      expect([gid, mode & 0o2070], path).toEqual([4242, 0o2070]);
    }
    const { gid, mode } = statSync(join(root, "a", "file"));
    expect([gid, mode & 0o777]).toEqual([4242, 0o660]);
    const outside = statSync(join(dir, "outside", "secret"));
    expect([outside.gid, outside.mode & 0o777]).toEqual([0, 0o600]);
  });
});
