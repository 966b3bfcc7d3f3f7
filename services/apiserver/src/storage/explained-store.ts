import { type ErrorCode, TriremeError, errorFrom } from "@trireme/base";
import type { StoreClient } from "@trireme/store-client";

/** What a user should know of a store that does not serve, by what is certain. */
const SENTENCES: Partial<Readonly<Record<ErrorCode, string>>> = {
  ServiceUnavailable:
    "the store does not serve: no majority of the servers is reachable, or they are electing a leader; nothing was changed, try again",
  NotLeader: "the store is electing a leader; nothing was changed, try again",
  Timeout: "the store did not answer in time: perhaps no majority of the servers is reachable; try again",
  Unknown:
    "the store took the request but its answer never came: it may or may not have taken effect; look before you repeat it",
};

/** The same store, with errors that tell API users what happened to their request and what to do. */
export function explainedStore(store: StoreClient): StoreClient {
  const explain = (thrown: unknown): never => {
    const error = errorFrom(thrown);
    const sentence = SENTENCES[error.code];
    if (sentence === undefined) throw thrown;
    throw new TriremeError(error.code, `${sentence} (${error.message})`, { cause: thrown, details: error.details });
  };
  return {
    range: (request) => store.range(request).catch(explain),
    put: (request) => store.put(request).catch(explain),
    deleteRange: (request) => store.deleteRange(request).catch(explain),
    txn: (request) => store.txn(request).catch(explain),
    readRevision: () => store.readRevision().catch(explain),
    compact: (revision) => store.compact(revision).catch(explain),
    watch: (request, handlers) => store.watch(request, handlers),
    status: () => store.status().catch(explain),
    close: () => store.close(),
  };
}
