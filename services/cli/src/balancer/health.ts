import { readFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { type Answer, type ServerHealth, UNKNOWN_HEALTH, decideHealth } from "./decide.ts";

/** Between two questions to one server; a frozen server still accepts connections, so it has to be asked. */
const ASK_EVERY_MS = 250;
/** No answer within this is silence, and again after each further such time. */
const ANSWER_WITHIN_MS = 500;
/**
 * A question is given up, and its connection closed, after this. Longer than silence on purpose: on a busy machine a TLS
 * handshake takes its time, and who starts it over at each silence never finishes one.
 */
const GIVE_UP_MS = 3_000;

/** One server whose readiness is watched. */
export interface WatchedServer {
  readonly name: string;
  readonly address: string;
}

/** Told of changes. */
export interface HealthListener {
  onChange(server: WatchedServer, inRotation: boolean): void;
  /** The server hangs: whoever is connected to it waits in vain. */
  onHang(server: WatchedServer): void;
}

/** Asks servers `/readyz` again and again, over one connection each. */
export class HealthWatch {
  private readonly health = new Map<string, ServerHealth>();
  private readonly watched = new Map<string, WatchedServer>();
  private readonly agent: Agent;
  private readonly port: number;
  private readonly listener: HealthListener;
  private stopped = false;

  constructor(options: {
    readonly servers: readonly WatchedServer[];
    readonly port: number;
    readonly caFile: string;
    readonly listener: HealthListener;
  }) {
    this.port = options.port;
    this.listener = options.listener;
    this.agent = new Agent({ ca: readFileSync(options.caFile), keepAlive: true });
    this.setServers(options.servers);
  }

  /** Watches these servers from now on; one that is no longer named leaves the rotation, and its connections are cut. */
  setServers(servers: readonly WatchedServer[]): void {
    for (const [name, server] of this.watched) {
      if (servers.some((one) => one.name === name && one.address === server.address)) continue;
      this.watched.delete(name);
      this.health.delete(name);
      this.listener.onHang(server);
    }
    for (const server of servers) {
      if (this.watched.has(server.name)) continue;
      this.watched.set(server.name, server);
      this.watch(server);
    }
  }

  /** Whether new connections should go to this server. */
  isReady(name: string): boolean {
    return this.health.get(name)?.inRotation ?? false;
  }

  stop(): void {
    this.stopped = true;
    this.agent.destroy();
  }

  private watch(server: WatchedServer): void {
    this.ask(server, (answer) => {
      if (this.stopped || this.watched.get(server.name) !== server) return;
      const before = this.health.get(server.name) ?? UNKNOWN_HEALTH;
      const { health, cut } = decideHealth(before, answer);
      this.health.set(server.name, health);
      if (health.inRotation !== before.inRotation) this.listener.onChange(server, health.inRotation);
      if (cut) this.listener.onHang(server);
      if (answer !== "silent") setTimeout(() => this.watch(server), ASK_EVERY_MS);
    });
  }

  /** Tells `silent` any number of times, then one other answer. */
  private ask(server: WatchedServer, tell: (answer: Answer) => void): void {
    const started = performance.now();
    let told = false;
    const end = (answer: Answer): void => {
      clearInterval(silence);
      if (!told) tell(answer);
      told = true;
    };
    const target = { host: server.address, port: this.port, path: "/readyz", agent: this.agent };
    const request = get(target, (response) => {
      response.resume();
      response.once("end", () => end(response.statusCode === 200 ? "ready" : "notReady"));
      response.once("error", () => end("refused"));
    });
    const silence = setInterval(() => {
      // On a busy machine this timer may be what is late: what has arrived meanwhile is read first.
      setImmediate(() => {
        if (told) return;
        tell("silent");
        if (performance.now() - started > GIVE_UP_MS) request.destroy();
      });
    }, ANSWER_WITHIN_MS);
    request.once("error", () => end("refused"));
  }
}
