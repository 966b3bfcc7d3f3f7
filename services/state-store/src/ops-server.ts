import { type Server, createServer } from "node:https";
import { type TlsFiles, followTls } from "@trireme/pki";
import type { Registry } from "@trireme/telemetry";

/** Metrics and health over https; callers need a certificate of the store's authority. */
export function createOpsServer(options: {
  readonly tls: TlsFiles;
  readonly registry: Registry;
  /** Whether clients should come here: a leader is known and the disk answers. */
  readonly isHealthy: () => boolean;
}): Server {
  const { tls, registry, isHealthy } = options;
  const credentials = { ca: tls.ca, cert: tls.cert, key: tls.key, requestCert: true, rejectUnauthorized: true };
  const server = createServer(credentials, (request, response) => {
    const url = request.url?.split("?")[0];
    const answer = (status: number, type: string, body: string): void => {
      response.writeHead(status, { "content-type": type }).end(body);
    };
    const healthy = isHealthy();
    switch (url) {
      case "/metrics":
        registry.render().then(
          (text) => answer(200, registry.contentType, text),
          (error: unknown) => answer(500, "text/plain", String(error)),
        );
        return;
      case "/health":
        answer(healthy ? 200 : 503, "application/json", JSON.stringify({ health: String(healthy) }));
        return;
      case "/livez":
        answer(200, "text/plain", "ok");
        return;
      case "/readyz":
        answer(healthy ? 200 : 503, "text/plain", healthy ? "ok" : "no leader, or the disk hangs");
        return;
      default:
        answer(404, "text/plain", "not found: /metrics, /health, /livez, /readyz");
    }
  });
  followTls(server, tls);
  return server;
}
