import { appendFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LogOptions } from "./log-reader.ts";
import { readLog } from "./log-reader.ts";

const line = (second: number, text: string, tag = "F"): string =>
  `2026-01-01T00:00:${String(second).padStart(2, "0")}.5Z stdout ${tag} ${text}\n`;

let dir = "";
let path = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "log-"));
  path = join(dir, "0.log");
});
afterEach(() => rm(dir, { recursive: true }));

async function read(change: Partial<LogOptions> = {}): Promise<string> {
  const options = { follow: false, timestamps: false, ...change };
  const pieces: Buffer[] = [];
  for await (const piece of readLog(path, options, () => true, new AbortController().signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe("readLog", () => {
  it("joins what the runtime split and leaves its prefixes out", async () => {
    await writeFile(path, line(1, "one") + line(2, "tw", "P") + line(2, "o") + line(3, ""));
    expect(await read()).toBe("one\ntwo\n\n");
    expect(await read({ timestamps: true })).toContain("2026-01-01T00:00:02.5Z two\n");
  });

  it("tails, cuts and starts at a time", async () => {
    await writeFile(path, [1, 2, 3, 4].map((n) => line(n, `line ${n}`)).join(""));
    expect(await read({ tailLines: 2 })).toBe("line 3\nline 4\n");
    expect(await read({ tailLines: 0 })).toBe("");
    expect(await read({ tailLines: 99 })).toBe("line 1\nline 2\nline 3\nline 4\n");
    expect(await read({ limitBytes: 9 })).toBe("line 1\nli");
    expect(await read({ sinceMs: Date.parse("2026-01-01T00:00:03Z") })).toBe("line 3\nline 4\n");
  });

  it("finds the tail of a log larger than its chunks, across rotated files", async () => {
    const long = "x".repeat(1000);
    await writeFile(`${path}.20260101-000000`, Array.from({ length: 200 }, (_, n) => line(1, `${n} ${long}`)).join(""));
    await writeFile(path, line(2, "new"));
    const tail = await read({ tailLines: 3 });
    expect(tail.split("\n").map((text) => text.split(" ")[0])).toEqual(["198", "199", "new", ""]);
  });

  it("follows through a rotation until the container ends", async () => {
    await writeFile(path, line(1, "one"));
    let ended = false;
    const seen: string[] = [];
    for await (const piece of readLog(
      path,
      { follow: true, timestamps: false },
      () => ended,
      new AbortController().signal,
    )) {
      seen.push(piece.toString());
      if (seen.length === 1) {
        await appendFile(path, line(2, "two"));
        await rename(path, `${path}.20260101-000000`);
        await writeFile(path, line(3, "three"));
      } else if (piece.toString().includes("three")) ended = true;
    }
    expect(seen.join("")).toBe("one\ntwo\nthree\n");
  });
});
