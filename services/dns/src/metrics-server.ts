import { createServer } from "node:https";
import type { Registry } from "@trireme/telemetry";

const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;

/** Serves `/healthz` and `/metrics` to whoever shows a certificate of the cluster. Answers a function that stops it. */
export async function serveMetrics(options: {
  readonly address: string;
  readonly port: number;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly registry: Registry;
  readonly healthy: () => boolean;
}): Promise<() => Promise<void>> {
  const { registry } = options;
  const server = createServer(
    { ...options.tls, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.2" },
    (request, response) => {
      const path = (request.url ?? "/").split("?")[0];
      const text = (status: number, body: string, type = "text/plain; charset=utf-8"): void => {
        response.writeHead(status, { "content-type": type });
        response.end(body);
      };
      if (path === "/healthz") return options.healthy() ? text(200, "ok") : text(503, "not ready yet\n");
      if (path !== "/metrics") return text(404, "here are /healthz and /metrics\n");
      registry.render().then(
        (body) => text(200, body, registry.contentType),
        () => text(500, "the metrics could not be read\n"),
      );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
