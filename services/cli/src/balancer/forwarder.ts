import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

/** Where a connection may go. */
export interface Target {
  /** Names the backend, for cutting what goes to it. */
  readonly key: string;
  readonly host: string;
  readonly port: number;
}

/** How one listening port forwards. */
export interface ForwarderOptions {
  /** Targets in the order in which to try them, asked anew for each connection. */
  readonly targets: () => readonly Target[];
  readonly connectTimeoutMs: number;
  /** Told when a target refused or did not answer, so that others can be preferred for a while. */
  readonly onConnectFailure?: (target: Target) => void;
}

/** Connections beyond this are refused: each holds two sockets and their buffers. */
const MAX_CONNECTIONS = 8_192;

/**
 * A TCP forwarder on one local port. Until a target accepts, nothing is read from the client, so that the next target
 * can be tried; after that bytes flow both ways, half-closes included, until either side ends.
 */
export class Forwarder {
  private readonly server: Server;
  private readonly options: ForwarderOptions;
  private readonly pairs = new Map<Socket, { readonly key: string; readonly upstream: Socket }>();

  constructor(options: ForwarderOptions) {
    this.options = options;
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
      this.tryNext(client, [...options.targets()]);
    });
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** Listens, on any free port for 0, and answers the port; rejects when it is taken. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen({ port, host }, () => {
        this.server.removeListener("error", reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  /** Ends every connection to one backend, so that its clients connect again and reach another. */
  cut(key: string): void {
    for (const [client, pair] of this.pairs) {
      if (pair.key !== key) continue;
      // A reset, not an end: the answer that the client waits for was cut off.
      client.resetAndDestroy();
      pair.upstream.destroy();
    }
  }

  /** Stops listening and ends every connection. */
  close(): void {
    this.server.close();
    for (const [client, pair] of this.pairs) drop(client, pair.upstream);
  }

  private tryNext(client: Socket, rest: Target[]): void {
    const target = rest.shift();
    if (target === undefined || client.destroyed) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
    const giveUp = setTimeout(() => upstream.destroy(new Error("connect timeout")), this.options.connectTimeoutMs);
    const failed = (): void => {
      clearTimeout(giveUp);
      this.options.onConnectFailure?.(target);
      this.tryNext(client, rest);
    };
    client.on("error", () => upstream.destroy());
    upstream.once("error", failed);
    upstream.once("connect", () => {
      clearTimeout(giveUp);
      upstream.removeListener("error", failed);
      this.join(client, upstream, target.key);
    });
  }

  private join(client: Socket, upstream: Socket, key: string): void {
    if (client.destroyed) {
      upstream.destroy();
      return;
    }
    this.pairs.set(client, { key, upstream });
    const end = (): void => {
      this.pairs.delete(client);
      drop(client, upstream);
    };
    client.on("error", end);
    upstream.on("error", end);
    client.on("close", end);
    upstream.on("close", () => {
      // What the target sent before it closed still has to reach the client.
      if (client.writableEnded) client.once("finish", end);
      else end();
    });
    client.pipe(upstream);
    upstream.pipe(client);
    client.resume();
  }
}

function drop(client: Socket, upstream: Socket): void {
  client.destroy();
  upstream.destroy();
}
