// Stands for @grpc/grpc-js in a simulated process: the part of it that the store uses, over the simulated network.
// Messages are encoded and decoded as on a real wire, so that machines share no memory.
import { EventEmitter } from "node:events";
import { crc32 } from "node:zlib";
import { type Host, world } from "./world.ts";
import type { Line } from "./network.ts";
import type { Doorway } from "./tls.ts";

/** gRPC's status codes, and their names by number. */
export const status = {} as Record<string | number, number | string>;
for (const [code, name] of [
  ...["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"],
  ...["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"],
  ...["INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"],
].entries()) {
  status[code] = name;
  status[name] = code;
}

const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;
const UNKNOWN = 2;

export const credentials = { createSsl: (): object => ({}) };
export const ServerCredentials = { createInsecure: (): object => ({}) };

export class Metadata {
  get(_key: string): string[] {
    return [];
  }
}

/** Only its name is needed: generated clients are made below. */
export class Client {}

interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: unknown): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(value: unknown): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

type Definition = Readonly<Record<string, Method>>;
type Handler = (call: unknown, callback?: (error: unknown, response?: unknown) => void) => void;

/** What a certificate says, as TLS would hand it over. */
function certificateOf(host: Host | undefined): object {
  if (host === undefined) return { subject: { CN: "client", O: "trireme:apiservers" }, subjectaltname: "" };
  return { subject: { CN: host.name }, subjectaltname: `IP Address:${host.address}` };
}

/** A server: its handlers at one address. */
export class Server {
  readonly host: Host;
  readonly life: number;
  readonly methods = new Map<string, { readonly method: Method; readonly handler: Handler }>();

  constructor() {
    this.host = world.current!;
    this.life = world.currentLife;
  }

  addService(definition: Definition, handlers: Readonly<Record<string, Handler>>): void {
    for (const [name, method] of Object.entries(definition)) {
      const handler = handlers[name];
      if (handler !== undefined) this.methods.set(method.path, { method, handler: handler.bind(handlers) });
    }
  }

  createConnectionInjector(): { injectConnection(doorway: Doorway): void } {
    return { injectConnection: ({ address }) => world.network.listen(address, this) };
  }

  tryShutdown(done: () => void): void {
    world.after(0, done);
  }
}

/** Messages of peers that simulations look at as they leave a machine: the raft stream's requests. */
export const leaving: { watch: (request: unknown) => void } = { watch: () => undefined };

const RAFT_STREAM = "/trireme.raft.v1.PeerService/Connect";

/** One end of a stream, with the events that Node's streams have. */
class End extends EventEmitter {
  request: unknown;
  readonly metadata = new Metadata();
  private readonly wire: Wire;
  private readonly side: "client" | "server";
  private over = false;
  private readonly inbox: unknown[] = [];
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: Error | undefined;

  constructor(wire: Wire, side: "client" | "server") {
    super();
    this.wire = wire;
    this.side = side;
    // A server's handler may report an error by emitting it: the peer hears it.
    if (side === "server") this.on("error", (error: { code?: number; details?: string }) => this.refuse(error));
  }

  private refuse(error: { code?: number; details?: string }): void {
    if (this.over) return;
    this.finish();
    this.wire.answer({ code: error.code ?? UNKNOWN, details: error.details ?? "" });
  }

  getAuthContext(): object {
    return { sslPeerCertificate: certificateOf(this.wire.from) };
  }

  getPeer(): string {
    return this.wire.from?.address ?? "client";
  }

  write(message: unknown): boolean {
    if (!this.over) this.wire.carry(this.side, message);
    return true;
  }

  end(): void {
    if (this.over && this.side === "client") return;
    this.wire.endOf(this.side);
  }

  cancel(): void {
    this.over = true;
    this.wire.cancelled();
  }

  destroy(): void {
    this.finish();
  }

  pause(): void {
    // The store bounds what one stream may have under way; the simulation's clients stay below.
  }

  resume(): void {
    // See pause.
  }

  isPaused(): boolean {
    return false;
  }

  /** A message has come. */
  take(message: unknown): void {
    if (this.over) return;
    if (this.listenerCount("data") > 0) this.emit("data", message);
    else {
      this.inbox.push(message);
      this.wake?.();
    }
  }

  /** The other side says no more. */
  takeEnd(): void {
    if (this.over) return;
    this.ended = true;
    this.wake?.();
    this.emit("end");
  }

  /** The connection is gone, or the call was refused. */
  fail(error: Error): void {
    if (this.over) return;
    this.over = true;
    this.failure = error;
    this.wake?.();
    // A unary call tells its callback; a stream that nobody listens to for errors ends the process, as Node has it.
    if (this.side === "server") this.emit("cancelled");
    else if (this.wire.isStream) this.emit("error", error);
    this.emit("close");
  }

  finish(): void {
    if (this.over) return;
    this.over = true;
    this.emit("close");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    for (;;) {
      while (this.inbox.length > 0) yield this.inbox.shift();
      if (this.failure !== undefined) throw this.failure;
      if (this.ended) return;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
  }
}

interface Refusal {
  readonly code: number;
  readonly details: string;
}

function errorOf({ code, details }: Refusal): Error {
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), { code, details });
}

/**
 * Whether a batch holds forwarded proposals. Raft bears any message twice but these: nobody recognises the second one, and
 * its entry would be applied again. A stream never doubles what it carries.
 */
function carriesProposals(request: unknown): boolean {
  const { messages } = request as { messages: readonly { body?: { $case: string } }[] };
  return messages.some(({ body }) => body?.$case === "propose");
}

/** One call on its way: keeps the order of each direction and breaks when an end dies. */
class Wire implements Line {
  readonly from: Host | undefined;
  readonly to: Host;
  private readonly fromLife: number;
  private readonly server: Server;
  private readonly method: Method;
  private readonly isRaft: boolean;
  readonly isStream: boolean;
  client: End | undefined;
  private serverEnd: End | undefined;
  private lastThere = 0;
  private lastBack = 0;
  private greeted = false;
  private open = true;
  private readonly settle: (error: Error | null, response?: unknown) => void;

  constructor(server: Server, method: Method, settle: (error: Error | null, response?: unknown) => void) {
    this.from = world.current;
    this.fromLife = world.currentLife;
    this.to = server.host;
    this.server = server;
    this.method = method;
    this.isRaft = method.path === RAFT_STREAM;
    this.isStream = method.requestStream || method.responseStream;
    this.settle = settle;
    world.network.open(this);
  }

  private there(ms: number, ordered: boolean, act: () => void): void {
    let at = world.now + ms;
    if (ordered) at = this.lastThere = Math.max(at, this.lastThere);
    world.on(this.to, this.server.life, at - world.now, () => {
      if (this.open) act();
    });
  }

  private back(ms: number, act: () => void): void {
    this.lastBack = Math.max(world.now + ms, this.lastBack);
    world.on(this.from, this.fromLife, this.lastBack - world.now, act);
  }

  /** Begins the call at its server. */
  start(request: Buffer | undefined): void {
    const { network } = world;
    if (!network.reaches(this.from, this.to)) {
      network.counts.cut += 1;
      return;
    }
    this.there(network.delay(), true, () => {
      const entry = this.server.methods.get(this.method.path);
      if (entry === undefined) throw new Error(`${this.method.path} is not served`);
      const end = new End(this, "server");
      this.serverEnd = end;
      if (request !== undefined) end.request = entry.method.requestDeserialize(request);
      if (this.method.responseStream) entry.handler(end);
      else
        entry.handler(end, (error, response) => {
          if (error === null || error === undefined) this.respond(entry.method.responseSerialize(response));
          else this.answer(error as Refusal);
        });
    });
  }

  private respond(bytes: Buffer): void {
    const { network } = world;
    if (!network.reaches(this.to, this.from)) return;
    world.trace(3, crc32(bytes));
    this.back(network.delay(), () => {
      this.close();
      this.settle(null, this.method.responseDeserialize(bytes));
    });
  }

  /** The server ends the call with an error. */
  answer(refusal: Refusal): void {
    const { network } = world;
    if (!network.reaches(this.to, this.from)) return;
    this.back(network.delay(), () => {
      if (!this.open) return;
      this.close();
      this.client?.fail(errorOf(refusal));
      this.settle(errorOf(refusal));
    });
  }

  /** A message of a stream. */
  carry(side: "client" | "server", message: unknown): void {
    if (!this.open) return;
    if (side === "client") this.carryThere(message);
    else this.carryBack(message);
  }

  private carryThere(message: unknown): void {
    const { network } = world;
    const bytes = this.method.requestSerialize(message);
    const faulty = this.isRaft && this.greeted;
    if (this.isRaft && this.from !== undefined) leaving.watch(message);
    this.greeted = true;
    world.trace(1, crc32(bytes));
    if (!network.reaches(this.from, this.to)) {
      network.counts.cut += 1;
      // A stream of bytes has no holes: what cannot be delivered breaks it, sooner or later.
      if (!this.isRaft) world.plan(1000, () => this.broken());
      return;
    }
    for (const { ms, ordered } of faulty
      ? network.fates(carriesProposals(message))
      : [{ ms: network.delay(), ordered: true }]) {
      this.there(ms, ordered, () => {
        if (!network.reaches(this.from, this.to)) return;
        this.serverEnd?.take(this.method.requestDeserialize(bytes));
      });
    }
  }

  private carryBack(message: unknown): void {
    const { network } = world;
    const entry = this.server.methods.get(this.method.path)!;
    const bytes = entry.method.responseSerialize(message);
    world.trace(2, crc32(bytes));
    if (!network.reaches(this.to, this.from)) return;
    this.back(network.delay(), () => {
      if (this.open) this.client?.take(this.method.responseDeserialize(bytes));
    });
  }

  endOf(side: "client" | "server"): void {
    const { network } = world;
    if (side === "client") {
      this.there(network.delay(), true, () => this.serverEnd?.takeEnd());
      return;
    }
    this.serverEnd?.finish();
    this.back(network.delay(), () => {
      if (!this.open) return;
      this.close();
      this.client?.takeEnd();
      this.client?.finish();
    });
  }

  /** The client gives up. */
  cancelled(): void {
    if (!this.open) return;
    this.close();
    world.on(this.to, this.server.life, world.network.delay(), () =>
      this.serverEnd?.fail(errorOf({ code: 1, details: "cancelled" })),
    );
  }

  broken(): void {
    if (!this.open) return;
    this.close();
    const error = errorOf({ code: UNAVAILABLE, details: "Connection dropped" });
    world.on(this.to, this.server.life, 0, () => this.serverEnd?.fail(error));
    world.on(this.from, this.fromLife, 0, () => {
      this.client?.fail(error);
      this.settle(error);
    });
  }

  close(): void {
    this.open = false;
    world.network.close(this);
  }
}

/** Makes the class of a service's clients, as grpc does. */
export function makeGenericClientConstructor(definition: Definition): unknown {
  class SimClient {
    static readonly service = definition;
    private readonly address: string;

    constructor(address: string) {
      this.address = address;
    }

    close(): void {
      // Calls end one by one.
    }

    /** Begins a call; `settle` runs once. */
    call(method: Method, args: readonly unknown[]): unknown {
      const callback = args.find((each) => typeof each === "function") as
        | ((error: Error | null, response?: unknown) => void)
        | undefined;
      const options = args.find(
        (each) => typeof each === "object" && each !== null && "deadline" in each && each !== args[0],
      ) as { deadline?: number } | undefined;
      const first = args[0] as { deadline?: number } | undefined;
      const deadline = options?.deadline ?? (method.requestStream ? first?.deadline : undefined);
      let settled = false;
      const settle = (error: Error | null, response?: unknown): void => {
        if (settled) return;
        settled = true;
        callback?.(error, response);
      };
      const server = world.network.listenerAt(this.address) as Server | undefined;
      if (server === undefined) return this.refused(method, settle);
      const wire = new Wire(server, method, settle);
      if (deadline !== undefined) {
        world.after(world.toVirtual(Math.max(0, deadline - Date.now())), () => {
          if (settled) return;
          const error = errorOf({ code: DEADLINE_EXCEEDED, details: "Deadline exceeded" });
          wire.cancelled();
          wire.client?.fail(error);
          settle(error);
        });
      }
      const client = new End(wire, "client");
      wire.client = client;
      wire.start(method.requestStream ? undefined : method.requestSerialize(args[0]));
      return client;
    }

    private refused(method: Method, settle: (error: Error) => void): unknown {
      const error = errorOf({ code: UNAVAILABLE, details: "connect ECONNREFUSED" });
      const stream = Object.assign(new EventEmitter(), {
        write: () => true,
        end: () => undefined,
        cancel: () => undefined,
      });
      world.after(world.network.delay(), () => {
        if (method.requestStream || method.responseStream) stream.emit("error", error);
        settle(error);
      });
      return stream;
    }
  }
  for (const [name, method] of Object.entries(definition)) {
    Object.defineProperty(SimClient.prototype, name, {
      value(this: SimClient, ...args: unknown[]): unknown {
        return this.call(method, args);
      },
    });
  }
  return SimClient;
}
