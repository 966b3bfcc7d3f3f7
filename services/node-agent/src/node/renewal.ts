import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, errorFrom } from "@trireme/base";
import { type NatsCredentials, publicKeyOfSeed, readClaims } from "@trireme/bus";
import { type ApiClient, errorFromResponse } from "@trireme/client";
import {
  type IdentityRequests,
  RENEW_PATH,
  type SignedIdentities,
  createRequest,
  nodeIdentities,
  writePrivateFile,
} from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import { type Validity, decideRenewal } from "./decide-renewal.ts";

/** Claims live a day, so an hour is soon enough; a failure is tried again at the next look. */
const LOOK_EVERY_MS = 60 * 60_000;

/** What renewing needs of the agent. */
export interface RenewalOptions {
  readonly name: string;
  readonly address: string;
  readonly pkiDir: string;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when new certificates are there, which count from the next start on. */
  readonly onCertificates: () => void;
}

/**
 * Has the machine's certificates and bus claims, the DNS' included, signed anew before they end, with the node's own identity and
 * for its own keys. The bus reads its claims at each connection. Answers how to stop.
 */
export function startRenewal(options: RenewalOptions): () => void {
  const { clock, log } = options;
  let stopped = false;
  let cancel: (() => void) | undefined;
  const look = async (): Promise<void> => {
    try {
      await renewWhatIsDue(options);
    } catch (thrown) {
      log.warn("certificates or bus claims were not renewed", { err: errorFrom(thrown) });
    }
    if (!stopped) cancel = clock.after(LOOK_EVERY_MS, () => void look());
  };
  void look();
  return () => {
    stopped = true;
    cancel?.();
  };
}

async function renewWhatIsDue({
  name,
  address,
  pkiDir,
  client,
  clock,
  log,
  onCertificates,
}: RenewalOptions): Promise<void> {
  const identities = nodeIdentities(name, address).filter(({ file }) => existsSync(join(pkiDir, `${file}.key`)));
  const now = clock.now();
  const credentials = identities.flatMap(({ file }) => readCredentials(pkiDir, file) ?? []);
  const due = decideRenewal(
    identities.map(({ file }) => certificateValidity(readFileSync(join(pkiDir, `${file}.crt`)))),
    credentials.flatMap(({ value }) => claimsValidity(value.jwt) ?? []),
    now,
  );
  if (!due.certificates && !due.bus) return;
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
  log.info("identities renewed", { ...due });
  if (due.certificates) onCertificates();
}

function readCredentials(pkiDir: string, file: string): { file: string; value: NatsCredentials } | undefined {
  const path = join(pkiDir, "nats-creds", `${file}.json`);
  if (!existsSync(path)) return undefined;
  return { file, value: JSON.parse(readFileSync(path, "utf8")) as NatsCredentials };
}

function certificateValidity(pem: Buffer): Validity {
  const { validFrom, validTo } = new X509Certificate(pem);
  return { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) };
}

/** Claims without an end are those of a cluster's own parts on servers, or of another release. */
function claimsValidity(jwt: string): Validity | undefined {
  const { exp, iat } = readClaims(jwt);
  return exp === undefined || iat === undefined ? undefined : { fromMs: iat * 1000, toMs: exp * 1000 };
}
