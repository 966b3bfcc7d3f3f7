import { mkdirSync, rmSync } from "node:fs";
import { writeImages } from "./archive.ts";
import { helloImages } from "./hello.ts";
import { pauseImage } from "./pause.ts";

/** `node build.ts DIR` writes our own images to `DIR`; see {@link writeImages}. */
const dir = process.argv[2];
if (dir === undefined) throw new Error("usage: node build.ts DIR");
rmSync(dir, { recursive: true, force: true });
mkdirSync(dir, { recursive: true });
writeImages(dir, [pauseImage(process.arch), ...helloImages()], process.arch);
