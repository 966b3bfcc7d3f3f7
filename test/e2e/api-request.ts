import { readFileSync } from "node:fs";
import { request } from "node:https";
import type { Any } from "./cluster.ts";

/** A client certificate with the CA to check the server against. */
export interface Identity {
  readonly ca: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

/** The certificate that a server's own part uses, e.g. `scheduler`. */
export function serverIdentity(cluster: string, server: string, part: string): Identity {
  const pki = `/var/lib/trireme/${cluster}/hosts/${server}/pki`;
  const read = (name: string): Buffer => readFileSync(`${pki}/${name}`);
  return { ca: read("ca.crt"), cert: read(`${part}.crt`), key: read(`${part}.key`) };
}

/** One HTTPS request on a connection of its own; the body is parsed as JSON where it is. */
export function apiRequest(
  address: string,
  identity: Identity,
  options: { method: string; path: string; headers?: Record<string, string>; body?: unknown; timeoutMs?: number },
): Promise<{ status: number; body: Any }> {
  const [host, port] = address.replace(/^https:\/\//, "").split(":");
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  return new Promise((resolve, reject) => {
    const req = request(
      {
        host,
        port: Number(port),
        method: options.method,
        path: options.path,
        agent: false,
        timeout: options.timeoutMs ?? 10_000,
        ...identity,
        headers: { "content-type": "application/json", ...options.headers },
      },
      (res) => {
        let text = "";
        res.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        res.on("error", reject);
        res.on("end", () => {
          let parsed: Any = text;
          if (String(res.headers["content-type"]).includes("json")) parsed = JSON.parse(text);
          resolve({ status: res.statusCode ?? 0, body: parsed });
        });
      },
    );
    req.on("timeout", () => req.destroy(new Error(`no answer from ${address}`)));
    req.on("error", reject);
    req.end(body);
  });
}
