import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { helloImages } from "./hello.ts";
import { packImages } from "./image.ts";
import { pauseImage } from "./pause.ts";

/**
 * `node build.ts DIR` writes our own images as one archive, `DIR/images.tar`, and their names, one a line, to
 * `DIR/images.txt`.
 */
const dir = process.argv[2];
if (dir === undefined) throw new Error("usage: node build.ts DIR");
rmSync(dir, { recursive: true, force: true });
mkdirSync(dir, { recursive: true });
const images = [pauseImage(process.arch), ...helloImages()];
writeFileSync(join(dir, "images.tar.new"), packImages(images, process.arch));
writeFileSync(join(dir, "images.txt"), images.map((image) => `${image.name}\n`).join(""));
renameSync(join(dir, "images.tar.new"), join(dir, "images.tar"));
