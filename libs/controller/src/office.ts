import { type Clock, assert, errorFrom, sleep, systemClock } from "@trireme/base";
import type { ApiClient, ApiObject, ResourceRef } from "@trireme/client";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import type { LeasePort } from "./election-lease.ts";
import { type Election, createElection } from "./election.ts";
import type { Informer } from "./informer-types.ts";

/** What an elected singleton is made of. */
export interface OfficeOptions {
  /** The election, e.g. `scheduler`. */
  readonly name: string;
  /** Who stands: the server's name. */
  readonly identity: string;
  readonly leases: LeasePort;
  /** Resolves when the caches show everything that earlier holders wrote; see {@link caughtUp}. */
  readonly catchUp: (signal: AbortSignal) => Promise<void>;
  /** Begin to act. */
  readonly begin: () => void;
  /** Stop acting, at once. */
  readonly end: () => void;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly registry?: Registry;
}

/** An office: stood for, held, lost, stood for again. */
export interface Office {
  start(): void;
  /** Stops acting, gives the office up, ends the candidacy. */
  stop(): Promise<void>;
  /** The value of the `Trireme-Fence` header while in office. */
  fence(): string | undefined;
  /** A write was answered `Fenced`: another holds the office by now, whatever our Lease says. */
  fenced(): void;
  readonly isLeader: boolean;
  readonly holder: string;
}

/**
 * Runs a singleton: between election and loss, and only after its caches have caught up with what its predecessors
 * wrote, `begin` is called; `end` is called before anyone else may act. A fenced write ends the term at once, and the
 * candidacy begins anew.
 */
export function createOffice(options: OfficeOptions): Office {
  const { name, catchUp, begin, end } = options;
  const log = (options.log ?? silentLogger).child({ election: name });
  const clock = options.clock ?? systemClock;
  let acting = false;
  let stopped = false;
  let restarting: Promise<void> | undefined;
  let election = candidacy();

  function candidacy(): Election {
    const { identity, leases, registry } = options;
    return createElection({
      name,
      identity,
      leases,
      clock,
      log: options.log ?? silentLogger,
      ...(registry === undefined ? {} : { registry }),
      onAcquired: (_fence, signal) => void enter(signal),
      onLost: leave,
    });
  }

  async function enter(signal: AbortSignal): Promise<void> {
    const since = clock.monotonic();
    try {
      await catchUp(signal);
    } catch (thrown) {
      if (!signal.aborted) {
        log.warn("caches could not catch up, standing again", { err: errorFrom(thrown) });
        again();
      }
      return;
    }
    if (signal.aborted) return;
    log.info("in office", { catchUpMs: Math.round(clock.monotonic() - since) });
    acting = true;
    begin();
  }

  function leave(): void {
    if (!acting) return;
    acting = false;
    end();
  }

  /** Ends this candidacy and begins another. */
  function again(): void {
    if (stopped || restarting !== undefined) return;
    leave();
    restarting = election
      .stop()
      .catch((thrown: unknown) => log.warn("election did not end cleanly", { err: errorFrom(thrown) }))
      .then(() => {
        restarting = undefined;
        if (stopped) return;
        election = candidacy();
        election.start();
      });
  }

  return {
    start() {
      assert(!stopped, "an office that was stopped is not started again");
      election.start();
    },
    async stop() {
      stopped = true;
      leave();
      await restarting;
      await election.stop();
    },
    fence: () => election.fence(),
    fenced() {
      if (!acting) return;
      log.warn("fenced: another holds the office");
      again();
    },
    get isLeader() {
      return election.isLeader;
    },
    get holder() {
      return election.holder;
    },
  };
}

/** An informer and where its truth is. */
export interface CatchUpSource {
  readonly resource: ResourceRef;
  readonly informer: Informer<ApiObject>;
}

// How often the caches are looked at while they catch up; it usually takes one look.
const LOOK_MS = 10;
// A cache that is so far behind will not do: better another server takes the office.
const CATCH_UP_TIMEOUT_MS = 10_000;

/**
 * Waits until every informer shows all that a linearizable list shows now. Earlier holders are fenced by now, so nothing
 * that they wrote can appear later. Objects that were removed meanwhile may still be shown: that does no harm to whoever
 * is level triggered, while an object that is not shown yet would be made twice.
 */
export async function caughtUp(
  client: ApiClient,
  sources: readonly CatchUpSource[],
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<void> {
  const deadline = clock.monotonic() + CATCH_UP_TIMEOUT_MS;
  await Promise.all(
    sources.map(async ({ resource, informer }) => {
      const { items } = await client.resource<ApiObject>(resource).list({ signal });
      const revision = items.reduce((newest, item) => Math.max(newest, Number(item.metadata.resourceVersion ?? 0)), 0);
      const shows = ({ metadata }: ApiObject): boolean => {
        const shown = informer.get(metadata.namespace ?? "", metadata.name ?? "");
        return Number(shown?.metadata.resourceVersion ?? 0) >= Number(metadata.resourceVersion ?? 0);
      };
      while (informer.revision < revision && !items.every(shows)) {
        signal.throwIfAborted();
        if (clock.monotonic() > deadline) throw new Error(`${resource.resource}: the cache is too far behind`);
        await sleep(LOOK_MS, signal);
      }
    }),
  );
}
