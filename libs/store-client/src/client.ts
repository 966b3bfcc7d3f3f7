import { TriremeError, errorFrom, sleep } from "@trireme/base";
import type { SessionRequest, SessionResponse } from "@trireme/proto/trireme/store/v1/session";
import { Connection } from "./connection.ts";
import type { StoreClient, StoreClientOptions } from "./types.ts";
import { ResumingWatch } from "./watch.ts";
import {
  fromDeleteRange,
  fromPut,
  fromRange,
  fromTxn,
  revisionOf,
  toDeleteRange,
  toPut,
  toRange,
  toTxn,
} from "./wire.ts";

/** A call's bound: the store answers within 7 s, whatever happens; one more for the way. */
const CALL_TIMEOUT_MS = 8000;

/** A member waits for a leader this long (three elections) before it answers that there is none. */
const NO_LEADER_MS = 3500;

/** Between two attempts of a call that may be repeated. */
const RETRY_MS = 50;

type Request = NonNullable<SessionRequest["request"]>;
type Answer = NonNullable<SessionResponse["response"]>;

/** Connects to the store: to the first member that accepts, the own one first, and to another when that one fails. */
export function createStoreClient(
  options: StoreClientOptions,
): StoreClient & { setServers(endpoints: readonly string[]): void } {
  return new Client(options);
}

/** What a watch needs of the client. */
export interface Connections {
  /** An open connection; waits for one until `signal` aborts. */
  connect(signal: AbortSignal): Promise<Connection>;
  /** This one did not serve: the next `connect` goes to another member. */
  abandon(connection: Connection): void;
}

class Client implements StoreClient, Connections {
  private readonly options: StoreClientOptions;
  private readonly closing = new AbortController();
  private readonly watches = new Set<ResumingWatch>();
  private current: Connection | undefined;
  private connecting: Promise<Connection> | undefined;
  private next = 0;
  private endpoints: readonly string[];

  constructor(options: StoreClientOptions) {
    this.options = options;
    this.endpoints = options.endpoints;
  }

  async range(request: Parameters<StoreClient["range"]>[0]): ReturnType<StoreClient["range"]> {
    return fromRange(expect(await this.call({ $case: "range", value: toRange(request) }, false), "range"));
  }

  async put(request: Parameters<StoreClient["put"]>[0]): ReturnType<StoreClient["put"]> {
    return fromPut(expect(await this.call({ $case: "put", value: toPut(request) }, true), "put"));
  }

  async deleteRange(request: Parameters<StoreClient["deleteRange"]>[0]): ReturnType<StoreClient["deleteRange"]> {
    const answer = await this.call({ $case: "deleteRange", value: toDeleteRange(request) }, true);
    return fromDeleteRange(expect(answer, "deleteRange"));
  }

  async txn(request: Parameters<StoreClient["txn"]>[0]): ReturnType<StoreClient["txn"]> {
    const write = [...request.success, ...(request.failure ?? [])].some((op) => !("range" in op));
    return fromTxn(expect(await this.call({ $case: "txn", value: toTxn(request) }, write), "txn"));
  }

  async readRevision(): Promise<number> {
    const answer = await this.call({ $case: "readRevision", value: {} }, false);
    return revisionOf(expect(answer, "readRevision"));
  }

  async compact(revision: number): Promise<void> {
    // Compacting twice is an error the second time, so this counts as a write.
    await this.call({ $case: "compact", value: { revision: BigInt(revision), physical: false } }, true);
  }

  watch(...[request, handlers]: Parameters<StoreClient["watch"]>): ReturnType<StoreClient["watch"]> {
    const watch = new ResumingWatch(this, request, handlers, () => this.watches.delete(watch));
    this.watches.add(watch);
    return watch;
  }

  /** Takes another list of members: a connection to one that is no longer in it ends when its requests are answered. */
  setServers(endpoints: readonly string[]): void {
    if (endpoints.length === 0) return;
    this.endpoints = [...endpoints];
    if (this.current !== undefined && !endpoints.includes(this.current.endpoint)) this.abandon(this.current);
  }

  async status(): ReturnType<StoreClient["status"]> {
    const connection = await this.connect(this.callSignal(performance.now() + CALL_TIMEOUT_MS));
    return connection.status();
  }

  async close(): Promise<void> {
    this.closing.abort(new TriremeError("Cancelled", "the store client is closed"));
    for (const watch of this.watches) watch.close();
    this.current?.close();
    await this.connecting?.then(
      (connection) => connection.close(),
      () => undefined,
    );
  }

  /** Joins the attempt that is under way, so that a thousand callers make one connection. */
  async connect(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      const usable = this.usable();
      if (usable !== undefined) return usable;
      this.connecting ??= this.dial().finally(() => {
        this.connecting = undefined;
      });
      try {
        return await this.connecting;
      } catch (error) {
        if (signal.aborted || this.closing.signal.aborted) throw error;
        await sleep(RETRY_MS, signal).catch(() => {
          throw error;
        });
      }
    }
  }

  abandon(connection: Connection): void {
    connection.retire();
    if (this.current === connection) this.current = undefined;
  }

  private usable(): Connection | undefined {
    if (this.closing.signal.aborted) throw errorFrom(this.closing.signal.reason);
    return this.current?.broken === false ? this.current : undefined;
  }

  private callSignal(deadline: number): AbortSignal {
    const left = Math.max(0, Math.ceil(deadline - performance.now()));
    return AbortSignal.any([this.closing.signal, AbortSignal.timeout(left)]);
  }

  /** Tries the next member in turn. */
  private async dial(): Promise<Connection> {
    const { endpoints } = this;
    const endpoint = endpoints[this.next % endpoints.length];
    if (endpoint === undefined) throw new TriremeError("BadRequest", "a store client needs endpoints");
    this.next += 1;
    this.current = await Connection.open(endpoint, this.options);
    return this.current;
  }

  private async call(request: Request, write: boolean): Promise<Answer> {
    const deadline = performance.now() + CALL_TIMEOUT_MS;
    let refusal: TriremeError | undefined;
    for (;;) {
      const connection = this.usable() ?? (await this.connect(this.callSignal(deadline)));
      // Time enough for this member too to say for certain that it has no leader, or what is known is the answer.
      if (refusal !== undefined && performance.now() + NO_LEADER_MS >= deadline) throw refusal;
      try {
        return await connection.send(request, write, deadline);
      } catch (thrown) {
        const error = errorFrom(thrown);
        // Unavailable: it was not sent, or this member knows of no leader. Certainly nothing happened, so another
        // member may be asked. A read may be repeated in any case.
        const unserved = error.code === "ServiceUnavailable" || error.code === "Timeout";
        if (unserved) this.abandon(connection);
        const repeatable = error.code === "ServiceUnavailable" || (error.code === "Timeout" && !write);
        if (!repeatable || this.closing.signal.aborted) throw error;
        refusal = error;
        await sleep(RETRY_MS);
      }
    }
  }
}

type AnswerOf<C extends Answer["$case"]> = Extract<Answer, { readonly $case: C }>;

function expect<C extends Answer["$case"]>(answer: Answer, wanted: C): AnswerOf<C>["value"] {
  if (answer.$case !== wanted) {
    throw new TriremeError("InternalError", `the store answered ${answer.$case} where ${wanted} was asked`);
  }
  return (answer as AnswerOf<C>).value as AnswerOf<C>["value"];
}
