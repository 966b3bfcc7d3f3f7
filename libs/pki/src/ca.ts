import { X509Certificate, createHash, createPrivateKey, createPublicKey, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { TriremeError, assert } from "@trireme/base";
import type * as x509 from "@peculiar/x509";
import type { Validity } from "./decide-renewal.ts";

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority: what {@link issue} signs with. */
export interface Ca extends KeyPair {
  readonly name: string;
}

/** What a certificate says. */
export interface CertRequest {
  readonly ca: Ca;
  /** Common name: the user, for a client certificate of the cluster's CA. */
  readonly cn: string;
  /** Organisations: the user's groups. */
  readonly o?: string | readonly string[];
  /** Organisational unit: what else the holder is bound to; for identities of a host, its host id. */
  readonly ou?: string;
  /** DNS names and IP addresses that the holder may serve under. */
  readonly sans?: readonly string[];
  readonly server?: boolean;
  readonly client?: boolean;
  readonly days?: number;
}

/** Ten years: replacing a CA means visiting every machine, so it should not happen by mere passing of time. */
const CA_DAYS = 3650;
/** One year: long enough to forget, so renewal has to be automatic; short enough that a lost key dies. */
const LEAF_DAYS = 365;
/** Clocks of two machines differ: a certificate is valid from a little before its making. */
const BACKDATE_MS = 10 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
const EC_P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

/** Loaded at the first certificate that is made: most processes only read files, and this takes 100 ms to load. */
let loading: Promise<typeof x509> | undefined;

function loadX509(): Promise<typeof x509> {
  loading ??= import("./x509.ts").then((module) => module.x509);
  return loading;
}

/** Makes a self-signed CA called `name`. It may sign leaves only, no further CAs. */
export async function createCa(name: string, days = CA_DAYS): Promise<Ca> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: distinguishedName(x509, name, []),
    keys,
    signingAlgorithm: SIGNING,
    ...validity(days),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { name, cert: pem(cert), key: await privatePem(keys.privateKey) };
}

/** Makes a key and a certificate for it, signed by `ca`, for TLS servers, TLS clients or both. */
export async function issue(request: CertRequest): Promise<KeyPair> {
  const keys = await generateKeys();
  return { cert: await certify(request, keys.publicKey), key: await privatePem(keys.privateKey) };
}

/** Signs a certificate for a key that its holder keeps: `publicKey` is SPKI, DER. */
export async function sign(request: CertRequest, publicKey: Uint8Array): Promise<string> {
  const key = await webcrypto.subtle.importKey("spki", Uint8Array.from(publicKey), EC_P256, true, ["verify"]);
  return certify(request, key);
}

/** When a certificate (PEM) is valid, ms since the epoch. */
export function validityOf(pem: string | Uint8Array): Validity {
  const { validFrom, validTo } = new X509Certificate(typeof pem === "string" ? pem : Buffer.from(pem));
  return { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) };
}

/**
 * Signs anew what `ca` has signed before: the same subject, key and extensions, word for word, under a new serial number and for
 * a new life. Throws Invalid for a certificate of another authority, and for an authority's own.
 */
export async function resign(cert: string, ca: Ca, days = LEAF_DAYS): Promise<string> {
  const before = new X509Certificate(cert);
  if (before.ca || !before.verify(new X509Certificate(ca.cert).publicKey)) {
    throw new TriremeError(
      "Invalid",
      `the certificate "${before.subject}" is none that ${ca.name} has signed for a leaf`,
    );
  }
  const x509 = await loadX509();
  const { extensions, publicKey, subjectName } = new x509.X509Certificate(cert);
  const signer = await signerOf(x509, ca);
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjectName,
    issuer: signer.issuer,
    publicKey,
    signingKey: signer.key,
    signingAlgorithm: SIGNING,
    ...validity(days),
    extensions,
  });
  return pem(made);
}

async function certify(request: CertRequest, publicKey: webcrypto.CryptoKey): Promise<string> {
  const x509 = await loadX509();
  assert(request.server === true || request.client === true, "a certificate is for a server, a client or both");
  const usages = [
    ...(request.server === true ? [x509.ExtendedKeyUsage.serverAuth] : []),
    ...(request.client === true ? [x509.ExtendedKeyUsage.clientAuth] : []),
  ];
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(usages),
  ];
  const sans = request.sans ?? [];
  if (sans.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(sanEntries(sans)));
  const signer = await signerOf(x509, request.ca);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: distinguishedName(x509, request.cn, listOf(request.o), request.ou),
    issuer: signer.issuer,
    publicKey,
    signingKey: signer.key,
    signingAlgorithm: SIGNING,
    ...validity(request.days ?? LEAF_DAYS),
    extensions,
  });
  return pem(cert);
}

/** What a holder of a key asks to be certified. */
export interface RequestSubject {
  readonly cn: string;
  readonly o?: string | readonly string[];
  readonly sans?: readonly string[];
}

/** What a certificate request says; whoever made it holds the key. */
export interface ParsedRequest {
  readonly cn: string;
  readonly o: readonly string[];
  readonly sans: readonly string[];
  /** SPKI, DER. */
  readonly publicKey: Buffer;
}

/** Makes a certificate request (PKCS #10, PEM), signed with `key` (PEM); the key stays where it is. */
export async function createRequest(subject: RequestSubject, key: string): Promise<string> {
  const x509 = await loadX509();
  const keys = await importKeys(key);
  const sans = subject.sans ?? [];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: distinguishedName(x509, subject.cn, listOf(subject.o)),
    keys,
    signingAlgorithm: SIGNING,
    extensions: sans.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(sanEntries(sans))],
  });
  return `${request.toString("pem").trim()}\n`;
}

/** Reads a certificate request and verifies that it was signed with its own key. Throws BadRequest. */
export async function parseRequest(text: string): Promise<ParsedRequest> {
  const x509 = await loadX509();
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(text);
  } catch (cause) {
    throw new TriremeError("BadRequest", "a certificate request cannot be read: it must be PKCS #10, PEM", { cause });
  }
  const publicKey = Buffer.from(request.publicKey.rawData);
  const algorithm = request.publicKey.algorithm as { readonly namedCurve?: string };
  if (algorithm.namedCurve !== "P-256") throw new TriremeError("BadRequest", "keys must be EC P-256");
  if (!(await request.verify())) {
    throw new TriremeError("BadRequest", "a certificate request is not signed with its own key");
  }
  const name = request.subjectName;
  const extension = request.extensions.find((it) => it instanceof x509.SubjectAlternativeNameExtension);
  const sans = (extension?.names.items ?? []).map((it) => it.value);
  return { cn: name.getField("CN")[0] ?? "", o: name.getField("O"), sans, publicKey };
}

/** SHA-256 of a certificate's DER, hex: what join tokens pin. */
export function fingerprintOf(cert: string | Uint8Array): string {
  return createHash("sha256")
    .update(new X509Certificate(typeof cert === "string" ? cert : Buffer.from(cert)).raw)
    .digest("hex");
}

/** The public half of a private key (PEM), SPKI, DER. */
export function publicKeyOf(key: string): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" });
}

/** An EC P-256 private key, PEM, without a certificate: e.g. for signing tokens. */
export async function createSigningKey(): Promise<string> {
  return privatePem((await generateKeys()).privateKey);
}

/** Reads a CA back from its PEM files; refuses a key that is not the certificate's. */
export function caFromPem(cert: string, key: string): Ca {
  const parsed = new X509Certificate(cert);
  if (!parsed.checkPrivateKey(createPrivateKey(key))) {
    throw new TriremeError("Invalid", `the key of CA "${parsed.subject}" is not its certificate's key`);
  }
  return { name: parsed.subject.replace(/^CN=/, ""), cert, key };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(EC_P256, true, ["sign", "verify"]);
}

/** A CA made ready for signing: reading its PEM takes as long as a signature. */
interface Signer {
  readonly issuer: x509.Name;
  readonly key: webcrypto.CryptoKey;
}

const signers = new WeakMap<Ca, Promise<Signer>>();

function signerOf(library: typeof x509, ca: Ca): Promise<Signer> {
  let signer = signers.get(ca);
  if (signer === undefined) {
    signer = readSigner(library, ca);
    signers.set(ca, signer);
  }
  return signer;
}

async function readSigner(library: typeof x509, ca: Ca): Promise<Signer> {
  const der = createPrivateKey(ca.key).export({ type: "pkcs8", format: "der" });
  const key = await webcrypto.subtle.importKey("pkcs8", der, EC_P256, false, ["sign"]);
  return { issuer: new library.X509Certificate(ca.cert).subjectName, key };
}

async function importKeys(key: string): Promise<webcrypto.CryptoKeyPair> {
  const der = createPrivateKey(key).export({ type: "pkcs8", format: "der" });
  const { subtle } = webcrypto;
  return {
    privateKey: await subtle.importKey("pkcs8", der, EC_P256, false, ["sign"]),
    publicKey: await subtle.importKey("spki", publicKeyOf(key), EC_P256, true, ["verify"]),
  };
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

function sanEntries(sans: readonly string[]): { type: "dns" | "ip"; value: string }[] {
  return [...new Set(sans)].map((san) => ({ type: isIP(san) === 0 ? ("dns" as const) : ("ip" as const), value: san }));
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({
    type: "pkcs8",
    format: "pem",
  }) as string;
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

/** Positive and without a leading zero byte, as DER wants integers. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + days * DAY_MS) };
}

function distinguishedName(library: typeof x509, cn: string, organisations: readonly string[], ou?: string): string {
  const json: x509.JsonName = [
    ...organisations.map((o) => ({ O: [o] })),
    ...(ou === undefined ? [] : [{ OU: [ou] }]),
    { CN: [cn] },
  ];
  return new library.Name(json).toString();
}
