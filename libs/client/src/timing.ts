/** The client's patience. Tests shorten it. */
export interface ClientTiming {
  /** TCP and TLS together. A healthy server on a LAN needs some milliseconds; two that are cut off still fit in 3 s. */
  readonly connectMs: number;
  /** One call with all its retries. */
  readonly requestMs: number;
  /** Pause before all servers are tried once more, when none answered. */
  readonly retryMs: number;
  /** Silence of a server that owes us something (an answer, or a watch is open) before we ask whether it lives. */
  readonly silenceMs: number;
  /** Patience with that question; two unanswered ones condemn the server, so a cut is noticed within about 3 s. */
  readonly probeMs: number;
  /** Pause between questions to servers that failed, until they are ready again. */
  readonly recheckMs: number;
  /**
   * A watch without a byte for this long is given up although its server lives: bookmarks come at least each minute
   * (as with any Kubernetes API), so it must have been forgotten.
   */
  readonly watchSilenceMs: number;
}

/** What clients use unless told otherwise. */
export const DEFAULT_TIMING: ClientTiming = {
  connectMs: 1200,
  requestMs: 10_000,
  retryMs: 250,
  silenceMs: 1000,
  probeMs: 1000,
  recheckMs: 1000,
  watchSilenceMs: 90_000,
};
