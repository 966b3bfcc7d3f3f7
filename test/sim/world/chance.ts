// Stands for node:crypto in a simulated process: hashes are Node's, randomness is the seed's.
import { createHash as hash } from "node:crypto";
import { world } from "./world.ts";

export { type Hash } from "node:crypto";

export const createHash = hash;

export function randomInt(max: number): number {
  return world.chance.process.int(0, max - 1);
}

export function randomBytes(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => world.chance.process.int(0, 255)));
}

export function randomUUID(): string {
  return randomBytes(16).toString("hex");
}
