import { TriremeError } from "@trireme/base";
import { type HostRole, type TokenData, joinSecretHash } from "@trireme/pki";

/** A machine of the cluster, as its record says. */
export interface HostRecord {
  readonly name: string;
  readonly role: HostRole;
  readonly address: string;
  readonly hostId: string;
}

/** Who wants to join, with the key that it has proved to hold. */
export interface Joiner {
  readonly name: string;
  readonly role: HostRole;
  readonly address: string;
  readonly hostId: string;
  /** The dead server whose place this one takes. */
  readonly replace?: string | undefined;
}

/** A DNS label, since a node's name is one, and short enough for what is named after it. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Refuses a token that does not admit this machine. A token admits one machine, known by its host key; that machine may
 * come again with it, since a join that broke off is typed again. Throws Unauthorized with the reason.
 */
export function checkToken(
  id: string,
  secret: string,
  data: Partial<TokenData> | undefined,
  joiner: Joiner,
  nowMs: number,
): void {
  const refuse = (why: string): never => {
    throw new TriremeError("Unauthorized", `token "${id}" ${why}; make another with ./tri token create`);
  };
  if (data === undefined) return refuse("is unknown: it was revoked, or never made here");
  if (data["token-secret-hash"] !== joinSecretHash(secret)) return refuse("has another secret: it was garbled");
  if (!(Date.parse(data.expiration ?? "") > nowMs)) return refuse(`has expired (${data.expiration ?? "no date"})`);
  if (data.spent !== undefined) return refuse(`admits nobody any more: ${data.spent}`);
  if (data["usage-trireme-join"] !== joiner.role) {
    return refuse(`admits a ${data["usage-trireme-join"] ?? "nobody"}, not a ${joiner.role}`);
  }
  const user = data["used-by-host"];
  if (user === undefined) return;
  if (user !== joiner.hostId)
    return refuse(`has been used already, by "${data["used-by-name"]}": it admits one machine`);
  if (data["used-by-name"] !== joiner.name) {
    refuse(`has been used already by this machine under the name "${data["used-by-name"]}"`);
  }
}

/**
 * Refuses a name or an address that is another machine's. The same machine, by its host key, may join again under its
 * name. Throws BadRequest or Conflict with what to do, and ServiceUnavailable before there is anybody to join.
 */
export function checkHost(joiner: Joiner, hosts: readonly HostRecord[]): void {
  const { name, role, address, hostId } = joiner;
  if (!NAME.test(name)) {
    throw new TriremeError("BadRequest", `the name "${name}" must be 1 to 63 lower-case letters, digits and dashes`);
  }
  if (!/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(address)) {
    throw new TriremeError("BadRequest", `the address "${address}" of ${role} "${name}" must be an IPv4 address`);
  }
  if (!hosts.some((host) => host.role === "server")) {
    // A machine that joined now would be told of no server, and be taken for the first.
    throw new TriremeError("ServiceUnavailable", "the cluster's first server is still starting; ask again", {
      details: { retryAfterSeconds: 1 },
    });
  }
  const known = hosts.find((host) => host.name === name);
  if (known !== undefined && known.hostId !== hostId && joiner.replace !== name) {
    throw new TriremeError(
      "Conflict",
      `there is a ${known.role} "${name}" already, and it is another machine (${known.address}): choose another name, ` +
        `or ./tri ${known.role} remove ${name} first`,
    );
  }
  if (known !== undefined && known.role !== role) {
    throw new TriremeError(
      "Conflict",
      `this machine has joined as ${known.role} "${name}"; it cannot be a ${role} too`,
    );
  }
  const neighbour = hosts.find((host) => host.address === address && host.name !== name);
  if (neighbour !== undefined && neighbour.name !== joiner.replace) {
    throw new TriremeError("Conflict", `the address ${address} is that of ${neighbour.role} "${neighbour.name}"`);
  }
}
