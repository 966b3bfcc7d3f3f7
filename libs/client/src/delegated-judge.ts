import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { TriremeError } from "@trireme/base";
import type { PageJudge } from "@trireme/telemetry";
import type { ApiClient } from "./types.ts";

/** How long a yes or a no is remembered: a removed binding closes the door within this time, as with a kubelet. */
const ALLOWED_MS = 30_000;
const REFUSED_MS = 5_000;

/**
 * How long a yes outlives the API: metrics are looked at just when no server answers. Whoever was let in a while ago
 * stays in for so long.
 */
const STALE_MS = 600_000;

/** Callers remembered at once: Prometheus and a few people. Beyond it the oldest is asked about again. */
const MAX_REMEMBERED = 256;

/** A review that takes longer helps no scraper: it has gone by then. */
const REVIEW_MS = 4_000;

/** Whoever is in this group may read everything; the API would say the same. */
const MASTERS = "system:masters";

interface User {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
}

interface Verdict {
  readonly refusal: TriremeError | undefined;
  readonly at: number;
}

/**
 * Asks the API who a caller is (TokenReview) and whether it may get a path (SubjectAccessReview), as a kubelet does, and
 * remembers the answers for a short while. `now` is a monotonic clock in milliseconds.
 */
export function delegatedJudge(client: ApiClient, now: () => number): PageJudge {
  const verdicts = new Map<string, Verdict>();

  async function judge(user: User | string, path: string): Promise<TriremeError | undefined> {
    const found = typeof user === "string" ? await userOfToken(client, user) : user;
    if (found === undefined) return new TriremeError("Unauthorized", "Unauthorized: the token is not valid here");
    const nonResourceAttributes = { verb: "get", path };
    const { username, uid, groups = [] } = found;
    const spec = { user: username, groups, ...(uid === undefined ? {} : { uid }), nonResourceAttributes };
    const { status } = await review<{ allowed?: boolean }>(client, "authorization.k8s.io", "SubjectAccessReview", spec);
    if (status.allowed === true) return undefined;
    return new TriremeError("Forbidden", `forbidden: User "${username}" cannot get path "${path}"`);
  }

  return async ({ socket, authorization, path }) => {
    const caller = callerOf(socket, authorization);
    if (typeof caller !== "string" && caller.groups?.includes(MASTERS)) return;
    const id =
      typeof caller === "string" ? createHash("sha256").update(caller).digest("base64") : JSON.stringify(caller);
    const key = `${id} ${path}`;
    const known = verdicts.get(key);
    const age = known === undefined ? Infinity : now() - known.at;
    let verdict = known;
    if (known === undefined || age > (known.refusal === undefined ? ALLOWED_MS : REFUSED_MS)) {
      try {
        verdict = { refusal: await judge(caller, path), at: now() };
        verdicts.delete(key);
        verdicts.set(key, verdict);
        if (verdicts.size > MAX_REMEMBERED) verdicts.delete(verdicts.keys().next().value!);
      } catch (thrown) {
        if (known === undefined || known.refusal !== undefined || age > STALE_MS) {
          const message = "who may read this cannot be asked now: no apiserver answers; please try again";
          throw new TriremeError("ServiceUnavailable", message, { cause: thrown });
        }
      }
    }
    if (verdict?.refusal !== undefined) throw verdict.refusal;
  };
}

/** The user of a verified certificate, or a bearer token. */
function callerOf(socket: TLSSocket, authorization: string | undefined): User | string {
  const certificate = socket.getPeerCertificate();
  if (Object.keys(certificate ?? {}).length > 0) {
    if (!socket.authorized) {
      const why = String(socket.authorizationError ?? "unknown reason");
      throw new TriremeError("Unauthorized", `Unauthorized: the client certificate is not valid here (${why})`);
    }
    // Repeated attributes come as arrays, whatever the type declaration says.
    const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
    const username = [CN].flat()[0];
    if (username === undefined || username === "") {
      throw new TriremeError(
        "Unauthorized",
        "Unauthorized: the client certificate names no user: its subject has no CN",
      );
    }
    return { username, groups: [...(O === undefined ? [] : [O].flat()), "system:authenticated"] };
  }
  const token = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
  if (token !== undefined) return token;
  const message = "Unauthorized: show a client certificate of the cluster's CA, or a ServiceAccount's token";
  throw new TriremeError("Unauthorized", message);
}

async function userOfToken(client: ApiClient, token: string): Promise<User | undefined> {
  const { status } = await review<{ authenticated?: boolean; user?: User }>(
    client,
    "authentication.k8s.io",
    "TokenReview",
    { token },
  );
  return status.authenticated === true ? status.user : undefined;
}

async function review<S>(client: ApiClient, group: string, kind: string, spec: object): Promise<{ status: S }> {
  const path = `/apis/${group}/v1/${kind.toLowerCase()}s`;
  const body = { apiVersion: `${group}/v1`, kind, spec };
  const answer = await client.raw("POST", path, { body, timeoutMs: REVIEW_MS });
  if (answer.status >= 400) {
    throw new TriremeError("ServiceUnavailable", `${kind} answered ${answer.status}: ${answer.body.toString("utf8")}`);
  }
  return JSON.parse(answer.body.toString("utf8")) as { status: S };
}
