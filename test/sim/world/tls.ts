// Stands for node:tls in a simulated process. Its network proves who calls by itself (./grpc.ts), so a server that listens has
// one connection only: the address itself, which gRPC's stand-in takes over.
import { EventEmitter } from "node:events";
import { world } from "./world.ts";

export { checkServerIdentity } from "node:tls";

/** Where a server listens, in the shape of a connection. */
export class Doorway extends EventEmitter {
  readonly address: string;

  constructor(address: string) {
    super();
    this.address = address;
  }

  setNoDelay(): void {
    // Nothing is held back here.
  }

  getPeerCertificate(): object {
    return {};
  }

  destroy(): void {
    // Its process ends right after.
  }
}

class Server extends EventEmitter {
  private port = 0;

  listen(port: number, host: string): void {
    this.port = port;
    this.emit("secureConnection", new Doorway(`${host}:${port}`));
    world.after(0, () => this.emit("listening"));
  }

  address(): { port: number } {
    return { port: this.port };
  }

  close(): void {
    // Its process ends right after.
  }
}

export const createServer = (): Server => new Server();
