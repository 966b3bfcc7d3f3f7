import type { PeerCertificate, TLSSocket } from "node:tls";
import { TriremeError } from "@trireme/base";
import { ANONYMOUS, AUTHENTICATED, HOST_ID, type User } from "./user.ts";

/** One TLS connection has one identity for its life; requests on it need no second look. */
const known = new WeakMap<TLSSocket, User>();
const expiries = new WeakMap<TLSSocket, number>();

/** When the certificate of a connection whose user is known ends, milliseconds since 1970; undefined without one. */
export function expiryOf(socket: TLSSocket): number | undefined {
  return expiries.get(socket);
}

/**
 * The user of a TLS connection: anonymous without a certificate. A certificate that our CA did not sign, or that is not
 * valid now, is refused rather than taken for none, so that a wrong kubeconfig says what is wrong with it.
 */
export function userOfConnection(socket: TLSSocket): User {
  const before = known.get(socket);
  if (before !== undefined) return before;
  const certificate = socket.getPeerCertificate();
  if (Object.keys(certificate ?? {}).length === 0) return ANONYMOUS;
  if (!socket.authorized) {
    const why = String(socket.authorizationError ?? "unknown reason");
    throw new TriremeError(
      "Unauthorized",
      `Unauthorized: the client certificate is not valid here (${why}); use one that this cluster's CA signed`,
    );
  }
  const user = userOfCertificate(certificate);
  known.set(socket, user);
  expiries.set(socket, Date.parse(certificate.valid_to));
  return user;
}

/** Common name and organisations of a verified certificate. */
export function userOfCertificate(certificate: Pick<PeerCertificate, "subject">): User {
  // Repeated attributes come as arrays, whatever the type declaration says.
  const { CN, O, OU } = certificate.subject as Record<"CN" | "O" | "OU", string | string[] | undefined>;
  const name = Array.isArray(CN) ? CN[0] : CN;
  if (name === undefined || name === "") {
    throw new TriremeError("Unauthorized", "Unauthorized: the client certificate names no user: its subject has no CN");
  }
  const groups = O === undefined ? [] : Array.isArray(O) ? O : [O];
  const hostId = Array.isArray(OU) ? OU[0] : OU;
  return {
    name,
    groups: [...groups, AUTHENTICATED],
    ...(hostId === undefined ? {} : { extra: { [HOST_ID]: [hostId] } }),
  };
}
