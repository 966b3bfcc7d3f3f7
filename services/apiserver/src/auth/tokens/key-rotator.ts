import { TriremeError, errorFrom } from "@trireme/base";
import { createSigningKey } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import { tokenKeyFromPem } from "./jwt.ts";
import type { SigningKeyFiles, TokenKeyRing } from "./signing-keys.ts";

/** What is asked of a server about its keys. */
export type TokenKeyChange = { readonly add: string } | { readonly promote: string };

/** The other servers, as far as token keys go. */
export interface TokenKeyPeers {
  /** Their addresses. */
  others(): Promise<readonly string[]>;
  ring(address: string): Promise<TokenKeyRing>;
  /** Changes one server's keys; resolves when it is on that server's disk. */
  change(address: string, change: TokenKeyChange): Promise<TokenKeyRing>;
}

/** What became of a rotation. */
export interface TokenKeyRotation {
  /** The key that signs now. */
  readonly key: string;
  /** Whether it is the key of a rotation that had broken off. */
  readonly resumed: boolean;
  /** Keys whose tokens count still. */
  readonly counting: readonly string[];
  /** Servers (addresses) that sign with an older key yet: to be repeated. */
  readonly behind: readonly string[];
}

/**
 * Replaces the key that ServiceAccounts' tokens are signed with. First every server is given the new one and lets it count; only
 * then does one after the other sign with it, so that no server meets a token that it does not know. What the old key signed
 * counts on. Each step is safe to repeat; a rotation that broke off is finished by the next.
 */
export class TokenKeyRotator {
  private readonly keys: SigningKeyFiles;
  private readonly peers: TokenKeyPeers;
  private readonly log: Logger;
  private running: Promise<TokenKeyRotation> | undefined;

  constructor(keys: SigningKeyFiles, peers: TokenKeyPeers, log: Logger) {
    this.keys = keys;
    this.peers = peers;
    this.log = log;
  }

  /** Rotates; who asks while one is under way here gets its report. */
  rotate(): Promise<TokenKeyRotation> {
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async run(): Promise<TokenKeyRotation> {
    const { keys, peers, log } = this;
    const others = await peers.others();
    const rings = await Promise.all(others.map((address) => peers.ring(address).catch(nothingChanged)));
    const begun = [keys.ring(), ...rings].flatMap(({ pending }) => pending).at(-1);
    const pem = begun ?? (await createSigningKey());
    const { id } = tokenKeyFromPem(pem, "the new key");
    log.info("token key rotation", {
      from: keys.signing.id,
      to: id,
      resumed: begun !== undefined,
      servers: others.length + 1,
    });
    keys.add(pem);
    await Promise.all(others.map((address) => peers.change(address, { add: pem }).catch(nothingChanged)));
    keys.promote(id);
    const behind: string[] = [];
    for (const address of others) {
      await peers.change(address, { promote: id }).catch((thrown: unknown) => {
        behind.push(address);
        log.warn("a server signs with the old token key yet", { address, err: errorFrom(thrown) });
      });
    }
    return {
      key: id,
      resumed: begun !== undefined,
      counting: [...keys.verifying.keys()].filter((one) => one !== id),
      behind,
    };
  }
}

function nothingChanged(thrown: unknown): never {
  const error = errorFrom(thrown);
  throw new TriremeError(
    "ServiceUnavailable",
    `no token is signed with another key yet: every server has to hold it first, but ${error.message}; try again when it answers`,
    { cause: thrown },
  );
}
