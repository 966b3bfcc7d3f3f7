// Stands for node:https in a simulated process: metrics and health are served to nobody.
import { EventEmitter } from "node:events";
import { world } from "./world.ts";

class SilentServer extends EventEmitter {
  listen(): void {
    world.after(0, () => this.emit("listening"));
  }

  close(): void {
    this.removeAllListeners();
  }

  closeAllConnections(): void {
    this.removeAllListeners();
  }
}

export function createServer(): SilentServer {
  return new SilentServer();
}
