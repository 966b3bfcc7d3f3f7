// Stands for node:timers/promises in a simulated process.
import { world } from "./world.ts";

export function setImmediate(): Promise<void> {
  return new Promise((resolve) => {
    world.after(0, resolve);
  });
}
