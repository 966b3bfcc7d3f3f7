import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, errorFrom } from "@trireme/base";
import { type NatsCredentials, publicKeyOfSeed, readClaims } from "@trireme/bus";
import { type ApiClient, errorFromResponse } from "@trireme/client";
import {
  type IdentityRequests,
  type LiveIdentity,
  RENEW_PATH,
  type SignedIdentities,
  type Renewal,
  type Validity,
  createRequest,
  decideRenewal,
  nodeIdentities,
  validityOf,
  writePrivateFile,
} from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";

/** What renewing needs of the agent. */
export interface RenewalOptions {
  readonly name: string;
  readonly address: string;
  readonly pkiDir: string;
  /** The node's own, as it is followed by who serves with it: one that somebody else replaced is looked at when that happens. */
  readonly identity: Pick<LiveIdentity, "onChange">;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Has the machine's certificates and bus claims, the DNS' included, signed anew before they end, with the node's own identity and
 * for its own keys. Who serves or connects with a certificate follows its file; the bus reads its claims at each connection.
 * Answers how to stop.
 */
export function startRenewal(options: RenewalOptions): () => void {
  const { clock, identity, log } = options;
  let stopped = false;
  let failures = 0;
  let cancel: (() => void) | undefined;
  const look = async (): Promise<void> => {
    cancel = undefined;
    try {
      await renewWhatIsDue(options);
      failures = 0;
    } catch (thrown) {
      failures += 1;
      log.warn("certificates or bus claims were not renewed", { err: errorFrom(thrown), failures });
    }
    if (!stopped) cancel = clock.after(dueOf(options, failures).lookInMs, () => void look());
  };
  const forget = identity.onChange(() => {
    // A look that is under way sees it at its end.
    if (cancel === undefined) return;
    cancel();
    void look();
  });
  void look();
  return () => {
    stopped = true;
    forget();
    cancel?.();
  };
}

/** What is on disk: the identities that this machine has keys for, and the claims. */
function readOwn({ name, address, pkiDir }: RenewalOptions) {
  const identities = nodeIdentities(name, address).filter(({ file }) => existsSync(join(pkiDir, `${file}.key`)));
  return { identities, credentials: identities.flatMap(({ file }) => readCredentials(pkiDir, file) ?? []) };
}

function dueOf(options: RenewalOptions, failures = 0): Renewal {
  const { identities, credentials } = readOwn(options);
  return decideRenewal(
    identities.map(({ file }) => validityOf(readFileSync(join(options.pkiDir, `${file}.crt`)))),
    credentials.flatMap(({ value }) => claimsValidity(value.jwt) ?? []),
    options.clock.now(),
    failures,
  );
}

async function renewWhatIsDue(options: RenewalOptions): Promise<void> {
  const { pkiDir, client, log } = options;
  const due = dueOf(options);
  if (!due.certificates && !due.bus) return;
  const { identities, credentials } = readOwn(options);
  const certificates: Record<string, string> = {};
  for (const { file, cn, o, sans } of due.certificates ? identities : []) {
    certificates[file] = await createRequest({ cn, o, sans }, readFileSync(join(pkiDir, `${file}.key`), "utf8"));
  }
  const bus = Object.fromEntries(credentials.map(({ file, value }) => [file, publicKeyOfSeed(value.seed)]));
  const body: IdentityRequests = { certificates, bus: due.bus ? bus : {} };
  const answer = await client.raw("POST", RENEW_PATH, { body });
  if (answer.status !== 200) throw errorFromResponse(answer.status, answer.body);
  const signed = JSON.parse(answer.body.toString()) as SignedIdentities;
  for (const { file, value } of credentials) {
    const jwt = signed.bus[file];
    if (jwt === undefined) continue;
    writePrivateFile(join(pkiDir, "nats-creds", `${file}.json`), JSON.stringify({ ...value, jwt }));
  }
  for (const [file, cert] of Object.entries(signed.certificates)) {
    if (identities.some((identity) => identity.file === file)) writePrivateFile(join(pkiDir, `${file}.crt`), cert);
  }
  log.info("identities renewed", { certificates: due.certificates, bus: due.bus });
}

function readCredentials(pkiDir: string, file: string): { file: string; value: NatsCredentials } | undefined {
  const path = join(pkiDir, "nats-creds", `${file}.json`);
  if (!existsSync(path)) return undefined;
  return { file, value: JSON.parse(readFileSync(path, "utf8")) as NatsCredentials };
}

/** Claims without an end are those of a cluster's own parts on servers, or of another release. */
function claimsValidity(jwt: string): Validity | undefined {
  const { exp, iat } = readClaims(jwt);
  return exp === undefined || iat === undefined ? undefined : { fromMs: iat * 1000, toMs: exp * 1000 };
}
