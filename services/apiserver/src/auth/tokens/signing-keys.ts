import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import { writePrivateFile } from "@trireme/pki";
import { type TokenKey, tokenKeyFromPem } from "./jwt.ts";

/** The key that tokens are signed with. */
const SIGNING_KEY = "sa.key";

/** Keys by which tokens are known: `sa.key` and, while an older or newer one is in use somewhere, its `sa-<any>.pub` or `.key`. */
const VERIFYING_KEY = /^sa(-[a-z0-9-]+)?\.(key|pub)$/;

/** A key that was handed out and signs nowhere yet. */
const PENDING_KEY = /^sa-.+\.key$/;

/**
 * A key that signs no more still counts for so long: a year, which is the longest that Kubernetes lets tokens in pods live. A
 * token that was asked to live longer ends with its key.
 */
const RETIRED_FOR_MS = 365 * 24 * 60 * 60 * 1000;

/** One key to sign with and all that are known. */
export interface SigningKeys {
  readonly signing: TokenKey;
  readonly verifying: ReadonlyMap<string, TokenKey>;
}

/** What one server holds, as another may see it: never in an answer to anybody else. */
export interface TokenKeyRing {
  /** The id of the key that signs. */
  readonly signing: string;
  /** Ids of all keys that count. */
  readonly verifying: readonly string[];
  /** Private keys that were handed out and sign nowhere yet, PEM; the newest last. */
  readonly pending: readonly string[];
}

/**
 * The keys in a server's shared folder. Each change is on the disk before it counts, in an order in which a crash leaves a key
 * too many, never one too few.
 */
export class SigningKeyFiles implements SigningKeys {
  private readonly dir: string;
  private readonly now: () => number;
  private keys: SigningKeys;

  /** Throws an error that names the file when a key is none, or when there is none to sign with. `now` is the time, ms. */
  constructor(dir: string, now: () => number) {
    this.dir = dir;
    this.now = now;
    this.keys = this.load();
  }

  get signing(): TokenKey {
    return this.keys.signing;
  }

  get verifying(): ReadonlyMap<string, TokenKey> {
    return this.keys.verifying;
  }

  ring(): TokenKeyRing {
    const pending = this.files()
      .filter((file) => PENDING_KEY.test(file))
      .toSorted();
    return {
      signing: this.signing.id,
      verifying: [...this.verifying.keys()],
      pending: pending.map((file) => readFileSync(join(this.dir, file), "utf8")),
    };
  }

  /** Lets tokens count that this private key signs, here and later. Safe to repeat. */
  add(pem: string): void {
    const key = tokenKeyFromPem(pem, "the request");
    if (key.privateKey === undefined) throw new TriremeError("Invalid", "a key to sign tokens with is a private one");
    if (this.verifying.has(key.id)) return;
    // By age, so that the newest is the last.
    writePrivateFile(join(this.dir, `sa-${String(this.now()).padStart(15, "0")}-${nameOf(key)}.key`), pem);
    this.keys = this.load();
  }

  /** Signs with a key that was added; the one before goes on counting. Safe to repeat. */
  promote(id: string): void {
    if (this.signing.id === id) return;
    const file = this.files().find((one) => PENDING_KEY.test(one) && this.read(one).id === id);
    if (file === undefined) throw new TriremeError("NotFound", `this server does not hold the token key ${id}`);
    const { publicKey } = this.signing;
    const retired = publicKey.export({ type: "spki", format: "pem" }) as string;
    writePrivateFile(join(this.dir, `sa-${nameOf(this.signing)}.pub`), retired);
    writePrivateFile(join(this.dir, SIGNING_KEY), readFileSync(join(this.dir, file)));
    rmSync(join(this.dir, file));
    this.keys = this.load();
  }

  private load(): SigningKeys {
    const files = this.files();
    if (!files.includes(SIGNING_KEY)) {
      throw new TriremeError("NotFound", `${join(this.dir, SIGNING_KEY)} is missing: every server holds the same one`);
    }
    const keys = files.filter((file) => !this.isOver(file)).map((file) => this.read(file));
    return { signing: this.read(SIGNING_KEY), verifying: new Map(keys.map((key) => [key.id, key])) };
  }

  /** Whether the time of a retired key is over; its file says since when it is retired. */
  private isOver(file: string): boolean {
    return file.endsWith(".pub") && statSync(join(this.dir, file)).mtimeMs + RETIRED_FOR_MS < this.now();
  }

  private files(): string[] {
    return readdirSync(this.dir).filter((file) => VERIFYING_KEY.test(file));
  }

  private read(file: string): TokenKey {
    return tokenKeyFromPem(readFileSync(join(this.dir, file), "utf8"), join(this.dir, file));
  }
}

/** A key's name in a file's: its id has letters that file names here have not. */
function nameOf(key: TokenKey): string {
  return createHash("sha256").update(key.id).digest("hex").slice(0, 16);
}
