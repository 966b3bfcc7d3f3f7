import { LEASES, type Lease } from "@trireme/api";
import { type Clock, errorFrom } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { createInformer } from "@trireme/controller";
import type { Logger } from "@trireme/telemetry";

/** Acknowledgements by the API, for those whom the bus does not reach: one object a node, all slices in one write. */
export interface ApiAcks {
  /** Says which slices this node's proxy has applied, by `<namespace>/<name>`. At most one write is under way. */
  write(applied: Readonly<Record<string, number>>): void;
  /** Hears, from the next turn on, what every node says and has said, until the answered function is called. */
  follow(onAck: (node: string, applied: Readonly<Record<string, number>>) => void): () => void;
  stop(): void;
}

/** Where nodes' Leases are: each node may write its own alone, so that nobody acknowledges for another. */
const LEASE_NAMESPACE = "kube-node-lease";
/** Revisions of applied EndpointSlices, as JSON. */
const ANNOTATION = "trireme.dev/applied-endpointslices";
/** Pause after a write that failed. */
const RETRY_MS = 200;
/** Attempts at one acknowledgement: past them whoever waited for it has gone on. */
const MAX_ATTEMPTS = 5;

/** Acknowledges by an annotation of the node's own Lease. */
export function createLeaseAcks(options: {
  readonly node: string;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
}): ApiAcks {
  const { clock, log, node } = options;
  const leases = options.client.resource<Lease>(LEASES, LEASE_NAMESPACE);
  let wanted = "";
  let written = "";
  let failures = 0;
  let busy = false;
  let cancelRetry = (): void => undefined;

  async function flush(): Promise<void> {
    if (busy || wanted === written) return;
    busy = true;
    const text = wanted;
    try {
      await leases.patch(node, { type: "merge", body: { metadata: { annotations: { [ANNOTATION]: text } } } });
      written = text;
      failures = 0;
    } catch (error) {
      failures += 1;
      const err = errorFrom(error);
      if (failures === 1) log.warn("acknowledgements could not be written", { err });
      // Of no use to anyone by now.
      if (failures >= MAX_ATTEMPTS) written = text;
    } finally {
      busy = false;
    }
    if (failures === 0 || failures >= MAX_ATTEMPTS) void flush();
    else cancelRetry = clock.after(RETRY_MS, () => void flush());
  }

  return {
    write(applied) {
      wanted = JSON.stringify(applied);
      failures = 0;
      void flush();
    },
    follow(onAck) {
      const informer = createInformer<Lease>({
        name: "acknowledgements",
        listWatch: {
          list: (more) => leases.list(more),
          watch: (more, onEvent) => leases.watch(more, onEvent),
          get: (_, name) => leases.get(name),
        },
        clock,
        log,
      });
      informer.onChange(({ type, object, old }) => {
        const text = object.metadata.annotations?.[ANNOTATION];
        if (type === "deleted" || text === undefined || text === old?.metadata.annotations?.[ANNOTATION]) return;
        onAck(object.metadata.name, readAcks(text));
      });
      informer.start();
      return () => informer.stop();
    },
    stop: () => cancelRetry(),
  };
}

/** What an annotation acknowledges; nothing for one that makes no sense. Pure. */
export function readAcks(text: string): Record<string, number> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return {}; // Written by hand, or by another version: whoever waits does so for its full time.
  }
  if (typeof parsed !== "object" || parsed === null) return {};
  return Object.fromEntries(Object.entries(parsed).filter((entry) => Number.isSafeInteger(entry[1])));
}
