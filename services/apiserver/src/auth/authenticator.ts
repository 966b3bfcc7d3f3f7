import type { TLSSocket } from "node:tls";
import { TriremeError } from "@trireme/base";
import type { Clock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import type { ApiMetrics } from "../metrics.ts";
import { expiryOf, userOfConnection } from "./client-certificate.ts";
import type { TokenAuthority } from "./tokens/token-authority.ts";
import { ANONYMOUS, type User } from "./user.ts";

/** Tells who asks: by the connection's client certificate or, without one, by a bearer token. */
export class Authenticator {
  private readonly tokens: TokenAuthority;
  private readonly metrics: Pick<ApiMetrics, "certificate">;
  private readonly clock: Clock;
  private readonly log: Logger;

  constructor(tokens: TokenAuthority, metrics: Pick<ApiMetrics, "certificate">, clock: Clock, log: Logger) {
    this.tokens = tokens;
    this.metrics = metrics;
    this.clock = clock;
    this.log = log;
  }

  /** The user of a request, anonymous when it brings nothing. Throws Unauthorized for what proves nothing. */
  async userOf(socket: TLSSocket, authorization: string | undefined): Promise<User> {
    const user = userOfConnection(socket);
    const expiresAt = expiryOf(socket);
    if (expiresAt !== undefined) this.metrics.certificate((expiresAt - this.clock.now()) / 1000);
    if (user !== ANONYMOUS || authorization === undefined) return user;
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (token === undefined) return user;
    const found = await this.tokens.authenticate(token);
    if (found.user !== undefined) return found.user;
    // Whoever holds a bad token is told nothing that would help to make a better one.
    this.log.debug("bearer token refused", { reason: found.why });
    throw new TriremeError("Unauthorized", "Unauthorized");
  }
}
