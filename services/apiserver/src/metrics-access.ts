import { TriremeError } from "@trireme/base";
import type { PageJudge } from "@trireme/telemetry";
import type { Authenticator } from "./auth/authenticator.ts";
import type { Authorizer } from "./auth/authorizer.ts";
import { ANONYMOUS } from "./auth/user.ts";

/** Judges readers of metrics pages as the front door judges its callers: who is it, and may it get this path. */
export function pageJudge(authenticator: Authenticator, authorizer: Authorizer): PageJudge {
  return async ({ socket, authorization, path }) => {
    const user = await authenticator.userOf(socket, authorization);
    if (user === ANONYMOUS) {
      const message = "Unauthorized: show a client certificate of the cluster's CA, or a ServiceAccount's token";
      throw new TriremeError("Unauthorized", message);
    }
    if (!authorizer.authorizePath(user, "get", path).allowed) {
      throw new TriremeError("Forbidden", `forbidden: User "${user.name}" cannot get path "${path}"`);
    }
  };
}
