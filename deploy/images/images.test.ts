import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { packImages } from "./image.ts";
import { pauseBinary, pauseImage } from "./pause.ts";
import { packTar } from "./tar.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-images-"));
afterAll(() => rmSync(dir, { recursive: true }));

function extract(archive: Buffer): string {
  const into = mkdtempSync(join(dir, "x-"));
  execFileSync("tar", ["-x", "-C", into], { input: archive });
  return into;
}

describe("packTar", () => {
  it("writes what tar reads: files, modes, folders, links", () => {
    const archive = packTar([
      { type: "directory", path: "bin", mode: 0o755 },
      { type: "file", path: "bin/run", content: Buffer.from("#!/bin/sh\n"), mode: 0o755 },
      { type: "symlink", path: "bin/alias", target: "run" },
      { type: "file", path: "empty", content: new Uint8Array() },
      { type: "file", path: "block", content: Buffer.alloc(512, 1) },
    ]);
    const listed = execFileSync("tar", ["-tv"], { input: archive, encoding: "utf8" }).split("\n");
    expect(listed.map((line) => line.replace(/\s+\S+\s+1970-01-01 \S+/, ""))).toEqual([
      "drwxr-xr-x root/root bin/",
      "-rwxr-xr-x root/root bin/run",
      "lrwxrwxrwx root/root bin/alias -> run",
      "-rw-r--r-- root/root empty",
      "-rw-r--r-- root/root block",
      "",
    ]);
    expect(readFileSync(join(extract(archive), "block"))).toEqual(Buffer.alloc(512, 1));
  });

  it("splits a long path over the two fields that a header has for it", () => {
    const path = `${"d/".repeat(40)}${"f".repeat(90)}`;
    const archive = packTar([{ type: "file", path, content: Buffer.from("deep") }]);
    expect(readFileSync(join(extract(archive), path), "utf8")).toBe("deep");
  });

  it("refuses what a header cannot hold instead of cutting it", () => {
    const path = `${"a".repeat(101)}`;
    expect(() => packTar([{ type: "file", path, content: new Uint8Array() }])).toThrow("does not fit into 100 bytes");
  });
});

describe("packImages", () => {
  it("describes each image twice, for docker and for OCI, over the same blobs with true digests", () => {
    const image = { ...pauseImage("x64"), name: "trireme.local/pause:2" };
    const root = extract(packImages([pauseImage("x64"), image], "x64"));
    const json = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"));
    const docker = json("manifest.json") as { RepoTags: string[]; Config: string; Layers: string[] }[];
    expect(docker.map((entry) => entry.RepoTags)).toEqual([["trireme.local/pause:1"], ["trireme.local/pause:2"]]);
    const index = json("index.json") as { manifests: { digest: string; size: number; annotations: object }[] };
    for (const { digest, size } of index.manifests) {
      const content = readFileSync(join(root, "blobs/sha256", digest.slice(7)));
      expect(content.length).toBe(size);
      expect(createHash("sha256").update(content).digest("hex")).toBe(digest.slice(7));
    }
    const config = json(docker[0]?.Config ?? "") as { architecture: string; rootfs: { diff_ids: string[] } };
    expect(config.architecture).toBe("amd64");
    expect(`blobs/sha256/${config.rootfs.diff_ids[0]?.slice(7)}`).toBe(docker[0]?.Layers[0]);
  });

  it("gives the same bytes for the same content", () => {
    expect(packImages([pauseImage("x64")], "x64")).toEqual(packImages([pauseImage("x64")], "x64"));
  });
});

describe("pauseBinary", () => {
  it("is a program that runs and waits until it is killed", () => {
    const path = join(dir, "pause");
    writeFileSync(path, pauseBinary(process.arch));
    chmodSync(path, 0o755);
    const result = spawnSync(path, { timeout: 300, killSignal: "SIGKILL" });
    expect(result.signal).toBe("SIGKILL");
    expect((result.error as NodeJS.ErrnoException | undefined)?.code).toBe("ETIMEDOUT");
  });

  it("says for which machines there is one", () => {
    expect(() => pauseBinary("mips")).toThrow("no pause program for mips; there is one for x64, arm64");
  });
});
