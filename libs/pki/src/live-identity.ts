import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import { join } from "node:path";
import { TriremeError, errorFrom } from "@trireme/base";

/** One `stat` a second and file: a renewal leaves months, and whoever replaces a key by hand wants to see it count. */
const LOOK_EVERY_MS = 1_000;

/** A certificate, its key, and the authority that signs the other side's; PEM. */
export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Where these may change while somebody shows them: calls the listener after each change. */
  onChange?(listener: () => void): unknown;
}

/** Where an identity is: `<dir>/<name>.crt` and `.key`, and its authority, `<dir>/<ca>.crt`. */
export interface IdentityFiles {
  readonly dir: string;
  readonly name: string;
  /** `ca` when left out. */
  readonly ca?: string;
}

interface CaUpdate {
  readonly caCertificate: Buffer;
}
interface IdentityUpdate {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
}

/**
 * An identity on disk that may be renewed under a running process. Its fields are what the files say now, so a client that
 * reads them at each connection, and not once, needs nothing more; a server asks to be told ({@link onChange}). What cannot
 * be used, such as a certificate of another key, is reported and the last good one stays. It is also a `CertificateProvider` of
 * grpc-js. The watch keeps no process alive; {@link close} ends it.
 */
export class LiveIdentity implements TlsFiles {
  private readonly files: Required<IdentityFiles>;
  private readonly onProblem: (error: TriremeError) => void;
  private readonly listeners = new Set<() => void>();
  private readonly caListeners = new Set<(update: CaUpdate) => void>();
  private readonly identityListeners = new Set<(update: IdentityUpdate) => void>();
  private readonly watcher: () => void;
  private now: TlsFiles;

  /** Throws when the files are missing or do not belong together; later problems go to `onProblem`. */
  constructor(files: IdentityFiles, onProblem: (error: TriremeError) => void) {
    this.files = { ca: "ca", ...files };
    this.onProblem = onProblem;
    this.now = readIdentity(this.files);
    this.watcher = () => this.look();
    watchFile(this.path, { interval: LOOK_EVERY_MS, persistent: false }, this.watcher);
  }

  get ca(): Buffer {
    return this.now.ca;
  }

  get cert(): Buffer {
    return this.now.cert;
  }

  get key(): Buffer {
    return this.now.key;
  }

  /** Calls the listener after each change; answers how to stop that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Reads the files now. */
  look(): void {
    let found: TlsFiles;
    try {
      found = readIdentity(this.files);
    } catch (thrown) {
      this.onProblem(errorFrom(thrown));
      return;
    }
    const { ca, cert, key } = this.now;
    if (found.ca.equals(ca) && found.cert.equals(cert) && found.key.equals(key)) return;
    this.now = found;
    for (const listener of this.listeners) listener();
    for (const listener of this.caListeners) listener(this.caUpdate);
    for (const listener of this.identityListeners) listener(this.identityUpdate);
  }

  close(): void {
    unwatchFile(this.path, this.watcher);
    this.listeners.clear();
  }

  /** As grpc-js asks; it registers a listener before it is ready to hear of the first state, so that comes a turn later. */
  addCaCertificateListener(listener: (update: CaUpdate) => void): void {
    this.caListeners.add(listener);
    process.nextTick(() => listener(this.caUpdate));
  }

  removeCaCertificateListener(listener: (update: CaUpdate) => void): void {
    this.caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: (update: IdentityUpdate) => void): void {
    this.identityListeners.add(listener);
    process.nextTick(() => listener(this.identityUpdate));
  }

  removeIdentityCertificateListener(listener: (update: IdentityUpdate) => void): void {
    this.identityListeners.delete(listener);
  }

  private get path(): string {
    return join(this.files.dir, `${this.files.name}.crt`);
  }

  private get caUpdate(): CaUpdate {
    return { caCertificate: this.now.ca };
  }

  private get identityUpdate(): IdentityUpdate {
    return { certificate: this.now.cert, privateKey: this.now.key };
  }
}

function readIdentity({ dir, name, ca }: Required<IdentityFiles>): TlsFiles {
  const read = (file: string): Buffer => readFileSync(join(dir, file));
  const found = { ca: read(`${ca}.crt`), cert: read(`${name}.crt`), key: read(`${name}.key`) };
  let isPair: boolean;
  try {
    isPair = new X509Certificate(found.cert).checkPrivateKey(createPrivateKey(found.key));
  } catch (cause) {
    throw new TriremeError("Invalid", `${join(dir, name)}.crt or .key cannot be read: ${errorFrom(cause).message}`, {
      cause,
    });
  }
  if (!isPair) throw new TriremeError("Invalid", `${join(dir, name)}.key is not the key of ${name}.crt`);
  return found;
}
