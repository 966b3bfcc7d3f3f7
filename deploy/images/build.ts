import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { helloImage } from "./hello.ts";
import { packImage } from "./image.ts";
import { pauseImage } from "./pause.ts";

/** `node build.ts DIR` writes `DIR/<name>.tar` for each of our own images (`trireme.local/<name>:1`). */
const dir = process.argv[2];
if (dir === undefined) throw new Error("usage: node build.ts DIR");
mkdirSync(dir, { recursive: true });
for (const image of [pauseImage(process.arch), helloImage()]) {
  const name = image.name.slice(image.name.lastIndexOf("/") + 1, image.name.lastIndexOf(":"));
  const path = join(dir, `${name}.tar`);
  writeFileSync(`${path}.new`, packImage(image, process.arch));
  renameSync(`${path}.new`, path);
}
