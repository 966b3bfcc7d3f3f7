import { closeSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Image, archiveChunks, imageDigest } from "./image.ts";

/**
 * Writes images as one archive, `DIR/images.tar`, and to `DIR/images.txt` one line for each: its name and the digest
 * under which a node that has loaded it knows it. Each file appears whole or not at all, the archive last.
 */
export function writeImages(dir: string, images: readonly Image[], arch: string): void {
  const archive = join(dir, "images.tar");
  const list = join(dir, "images.txt");
  const file = openSync(`${archive}.new`, "w");
  try {
    for (const chunk of archiveChunks(images, arch)) writeWhole(file, chunk);
  } finally {
    closeSync(file);
  }
  writeFileSync(`${list}.new`, images.map((image) => `${image.name} ${imageDigest(image, arch)}\n`).join(""));
  renameSync(`${list}.new`, list);
  renameSync(`${archive}.new`, archive);
}

function writeWhole(file: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.length;) done += writeSync(file, chunk, done);
}
