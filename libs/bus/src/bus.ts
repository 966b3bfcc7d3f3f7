/**
 * The port: at-most-once publish and subscribe of opaque bytes. Every message is a hint; whoever needs the truth asks
 * the API. Nothing here waits for a server, so that everything keeps working while every server is gone.
 */
export type BusStatus = "connected" | "disconnected";

/** Receives each message of a subscription, in the order of its publisher; must not throw. */
export type BusHandler = (payload: Uint8Array, subject: string) => void;

/** Why a subscription or a publication was turned away: the identity lacks the permission. */
export interface BusRefusal {
  readonly operation: "publish" | "subscribe";
  readonly subject: string;
}

/** How a subscription behaves. */
export interface SubscribeOptions {
  /** Told once if the server refuses this subscription for lack of permission; no message comes then. */
  readonly onRefused?: (refusal: BusRefusal) => void;
}

/** One interest in a subject, until `unsubscribe`. It survives reconnects. */
export interface Subscription {
  unsubscribe(): void;
}

/** Core publish and subscribe over subjects of dot-separated tokens; `*` stands for one token, a last `>` for the rest. */
export interface Bus {
  /** Sends if connected, drops (and counts) if not. At most {@link MAX_PAYLOAD_BYTES}. */
  publish(subject: string, payload: Uint8Array): void;
  /** Subscribes now and after each reconnect; works while disconnected too. */
  subscribe(subject: string, handler: BusHandler, options?: SubscribeOptions): Subscription;
  status(): BusStatus;
  /** Calls `listener` at each change of status (not for the present one); returns a function that stops it. */
  onStatus(listener: (status: BusStatus) => void): () => void;
  /** Calls `listener` for each refused publication; returns a function that stops it. */
  onRefused(listener: (refusal: BusRefusal) => void): () => void;
  /** Resolves when the server has seen everything sent so far; rejects with `ServiceUnavailable` when disconnected. */
  flush(): Promise<void>;
  /** Flushes if connected, then ends; idempotent. Afterwards publish is a no-op and no handler is called. */
  close(): Promise<void>;
}

/**
 * Largest payload, well under the server's 1 MiB: a stream message carries an object of at most
 * {@link MAX_STREAM_OBJECT_BYTES} and its envelope, the batched acknowledgements and samples of one node fit as well.
 */
export const MAX_PAYLOAD_BYTES = 256 * 1024;

/** An object above this size does not ride along in its event; the consumer reads it by key. */
export const MAX_STREAM_OBJECT_BYTES = 64 * 1024;
