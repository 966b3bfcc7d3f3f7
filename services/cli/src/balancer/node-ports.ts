import { renameSync, writeFileSync } from "node:fs";
import type { Node, Service } from "@trireme/api";
import type { Logger } from "@trireme/telemetry";
import { type NodeTarget, nodePortsOf, orderNodes, readyNodesOf } from "./decide.ts";
import { Forwarder, type Target } from "./forwarder.ts";

const LOCALHOST = "127.0.0.1";
/** Nodes are one hop away. With this, a request that meets a dead node still ends within its client's patience. */
const CONNECT_TIMEOUT_MS = 300;
/** A port that another program holds is tried again this often. */
const RETRY_LISTEN_MS = 1_000;

interface Listener {
  readonly forwarder: Forwarder;
  /** The local port: the NodePort itself, or any free one when that is taken. */
  local?: number;
  retry?: NodeJS.Timeout;
}

/**
 * Listens on 127.0.0.1 on the port of every NodePort Service and forwards to nodes that are Ready. Which local port
 * serves which NodePort stands in a file, since another cluster or program may hold the port.
 */
export class NodePorts {
  private readonly listeners = new Map<number, Listener>();
  private nodes: readonly NodeTarget[] = [];
  private readonly failedAt = new Map<string, number>();
  private turn = 0;
  private readonly file: string;
  private readonly log: Logger;

  constructor(file: string, log: Logger) {
    this.file = file;
    this.log = log;
    this.publish();
  }

  setNodes(nodes: readonly Node[]): void {
    this.nodes = readyNodesOf(nodes);
    const names = new Set(this.nodes.map((node) => node.name));
    for (const name of this.failedAt.keys()) if (!names.has(name)) this.failedAt.delete(name);
  }

  setServices(services: readonly Service[]): void {
    const wanted = nodePortsOf(services);
    for (const [port, listener] of this.listeners) {
      if (wanted.has(port)) continue;
      clearTimeout(listener.retry);
      listener.forwarder.close();
      this.listeners.delete(port);
      this.log.info("node port closed", { port });
    }
    for (const port of wanted) if (!this.listeners.has(port)) this.open(port);
    this.publish();
  }

  close(): void {
    for (const listener of this.listeners.values()) {
      clearTimeout(listener.retry);
      listener.forwarder.close();
    }
    this.listeners.clear();
  }

  private open(port: number): void {
    const forwarder = new Forwarder({
      targets: () => this.targets(port),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      onConnectFailure: (target) => void this.failedAt.set(target.key, performance.now()),
    });
    const listener: Listener = { forwarder };
    this.listeners.set(port, listener);
    void this.listen(port, listener);
  }

  private async listen(port: number, listener: Listener): Promise<void> {
    for (const local of [port, 0]) {
      try {
        listener.local = await listener.forwarder.listen(local, LOCALHOST);
        if (this.listeners.get(port) !== listener) listener.forwarder.close();
        this.log.info("node port open", { port, local: listener.local });
        this.publish();
        return;
      } catch (thrown) {
        this.log.warn("cannot listen on node port", { port, local, err: thrown });
      }
    }
    listener.retry = setTimeout(() => void this.listen(port, listener), RETRY_LISTEN_MS);
  }

  private targets(port: number): Target[] {
    this.turn += 1;
    const ordered = orderNodes(this.nodes, this.turn, this.failedAt, performance.now());
    return ordered.map((node) => ({ key: node.name, host: node.address, port }));
  }

  private publish(): void {
    const ports: Record<string, number> = {};
    for (const [port, { local }] of this.listeners) if (local !== undefined) ports[port] = local;
    writeFileSync(`${this.file}.new`, `${JSON.stringify(ports)}\n`, { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }
}
