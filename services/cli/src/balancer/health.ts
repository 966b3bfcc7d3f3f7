import { readFileSync } from "node:fs";
import { Agent, get } from "node:https";

/** Between two questions to one server; a frozen server still accepts connections, so it has to be asked. */
const ASK_EVERY_MS = 250;
/** No answer within this is a no. */
const ANSWER_WITHIN_MS = 500;

/** One server whose readiness is watched. */
export interface WatchedServer {
  readonly name: string;
  readonly address: string;
}

/** Asks servers `/readyz` again and again and tells of changes. */
export class HealthWatch {
  private readonly ready = new Set<string>();
  private readonly agent: Agent;
  private readonly port: number;
  private stopped = false;

  constructor(options: {
    readonly servers: readonly WatchedServer[];
    readonly port: number;
    readonly caFile: string;
    readonly onChange: (server: WatchedServer, ready: boolean) => void;
  }) {
    this.port = options.port;
    this.agent = new Agent({ ca: readFileSync(options.caFile), keepAlive: true, maxSockets: 1 });
    for (const server of options.servers) this.watch(server, options.onChange);
  }

  /** Whether the last answer of this server was yes. */
  isReady(name: string): boolean {
    return this.ready.has(name);
  }

  stop(): void {
    this.stopped = true;
    this.agent.destroy();
  }

  private watch(server: WatchedServer, onChange: (server: WatchedServer, ready: boolean) => void): void {
    this.ask(server, (ready) => {
      if (this.stopped) return;
      if (ready !== this.ready.has(server.name)) {
        if (ready) this.ready.add(server.name);
        else this.ready.delete(server.name);
        onChange(server, ready);
      }
      setTimeout(() => this.watch(server, onChange), ASK_EVERY_MS);
    });
  }

  private ask(server: WatchedServer, answer: (ready: boolean) => void): void {
    let answered = false;
    const once = (ready: boolean): void => {
      clearTimeout(deadline);
      if (!answered) answer(ready);
      answered = true;
    };
    const request = get({ host: server.address, port: this.port, path: "/readyz", agent: this.agent }, (response) => {
      response.resume();
      response.once("end", () => once(response.statusCode === 200));
      response.once("error", () => once(false));
    });
    // The whole of connecting and answering, not only silence on the socket.
    const deadline = setTimeout(() => {
      request.destroy();
      once(false);
    }, ANSWER_WITHIN_MS);
    request.once("error", () => once(false));
  }
}
