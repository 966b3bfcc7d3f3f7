import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openLayerCache } from "./layer-cache.ts";
import { readSourceFiles } from "./source-files.ts";
import type { TarEntry } from "./tar.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-layers-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("a layer", () => {
  const entries = (text: string): TarEntry[] => [{ type: "file", path: "f", content: Buffer.from(text) }];

  it("is made once for the same inputs, and kept while somebody asks for it", () => {
    const cache = join(dir, "cache");
    let made = 0;
    const make = (): TarEntry[] => entries(`made ${++made}`);
    const first = openLayerCache(cache).get(["v1"], make);
    const again = openLayerCache(cache);
    expect(again.get(["v1"], make)).toMatchObject({ digest: first.digest, size: first.size, paths: ["f"], needs: [] });
    expect(again.get(["v2"], make).digest).not.toBe(first.digest);
    expect(made).toBe(2);

    const later = openLayerCache(cache);
    later.get(["v2"], make);
    later.prune();
    expect(readdirSync(cache)).toHaveLength(2);
    expect(made).toBe(2);
  });

  it("takes files and folders of the source, texts, links and empty folders", () => {
    mkdirSync(join(dir, "source/page/deep"), { recursive: true });
    writeFileSync(join(dir, "source/page/index.html"), "hi");
    writeFileSync(join(dir, "source/page/deep/x.css"), "");
    writeFileSync(join(dir, "source/start.sh"), "#!/bin/sh\n");
    const found = readSourceFiles(join(dir, "source"), {
      from: "files",
      copy: { "srv/page": "page", "usr/bin/start": "start.sh" },
      folders: { tmp: 0o1777 },
      links: { bin: "usr/bin" },
      texts: { "etc/group": "root:x:0:\n" },
      executable: ["usr/bin/start"],
    });
    expect(found.map((it) => [it.path, it.type === "symlink" ? it.target : it.mode])).toEqual([
      ["tmp", 0o1777],
      ["bin", "usr/bin"],
      ["etc/group", 0o644],
      ["srv/page/deep/x.css", 0o644],
      ["srv/page/index.html", 0o644],
      ["usr/bin/start", 0o755],
    ]);
  });
});
