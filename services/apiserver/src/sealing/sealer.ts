import { type KeyObject, randomBytes } from "node:crypto";
import type { SealingRing } from "@trireme/pki";
import {
  type DataKey,
  damaged,
  openValue,
  sealValue,
  sealingKeyOf,
  unwrapDataKey,
  wrapDataKey,
  wrappedKeyOf,
} from "./envelope.ts";

/**
 * Values sealed with one data key. Nonces are random, and NIST SP 800-38D allows 2^32 of those under one key before two
 * may be alike with a chance of 2^-32; a data key is given up at a 256th of that, and with its process.
 */
export const SEALS_PER_DATA_KEY = 2 ** 24;

/**
 * Unwrapped data keys kept. Each start of a server makes one, and a rotation leaves one in all Secrets: this many are in
 * use in a cluster whose servers started that often since. One more costs a decryption of 32 bytes.
 */
const MAX_OPEN_KEYS = 1024;

/** What became of opening a value: its open bytes, or the id of the key that is missing. */
export type Opened = { readonly value: Uint8Array } | { readonly missing: string };

/** Seals and opens values with the keys of a ring. Keeps data keys, asks nobody. */
export class Sealer {
  private ring: SealingRing;
  private current: (DataKey & { left: number }) | undefined;
  private readonly open = new Map<string, KeyObject>();
  private readonly random: (bytes: number) => Uint8Array;

  constructor(ring: SealingRing, random: (bytes: number) => Uint8Array = randomBytes) {
    this.ring = ring;
    this.random = random;
  }

  get keys(): SealingRing {
    return this.ring;
  }

  /** Goes on with other keys. */
  use(ring: SealingRing): void {
    this.ring = ring;
  }

  /** Whether the ring holds this key. */
  holds(keyId: string): boolean {
    return this.ring.keys.some((key) => key.id === keyId);
  }

  /** Seals an open value, its data key wrapped by the named key; undefined when the ring does not hold that. */
  seal(path: string, value: Uint8Array, keyId: string): Uint8Array | undefined {
    const wrapping = this.ring.keys.find((key) => key.id === keyId);
    if (wrapping === undefined) return undefined;
    if (this.current === undefined || this.current.keyId !== keyId || this.current.left === 0) {
      const dataKey = wrapDataKey(keyId, wrapping.secret, this.random(32), this.random(12));
      this.current = { ...dataKey, left: SEALS_PER_DATA_KEY };
    }
    this.current.left -= 1;
    return sealValue(path, value, this.current, this.random(12));
  }

  /** Opens a value; one that is not sealed is open already. Throws InternalError for one that is damaged. */
  unseal(path: string, value: Uint8Array): Opened {
    const keyId = sealingKeyOf(value);
    if (keyId === undefined) return { value };
    const wrapping = this.ring.keys.find((key) => key.id === keyId);
    if (wrapping === undefined) return { missing: keyId };
    const wrapped = wrappedKeyOf(value);
    const name = `${keyId}${wrapped.toString("latin1")}`;
    let key = this.open.get(name);
    if (key === undefined) {
      try {
        key = unwrapDataKey(keyId, wrapping.secret, wrapped);
      } catch (thrown) {
        throw damaged(path, `its data key was not wrapped by key ${keyId}`, thrown);
      }
      if (this.open.size >= MAX_OPEN_KEYS) this.open.delete(this.open.keys().next().value!);
      this.open.set(name, key);
    }
    return { value: openValue(path, value, key) };
  }
}
