import { once } from "node:events";
import { type Server, createServer } from "node:https";
import type { Logger } from "@trireme/telemetry";
import type { Readiness } from "./http/health.ts";
import type { TlsFiles } from "./http/server.ts";

/** A scrape takes milliseconds; whoever holds a connection longer is not scraping. */
const REQUEST_TIMEOUT_MS = 15_000;

/**
 * Metrics and health on a port of their own, for monitoring with a certificate of the cluster's CA. `pages` holds a text
 * for `/metrics` (the name "") and for each `/metrics/<name>`: components of one process keep their series apart.
 */
export class MetricsServer {
  private readonly server: Server;

  constructor(tls: TlsFiles, pages: ReadonlyMap<string, () => Promise<string>>, readiness: Readiness, log: Logger) {
    const options = { ...tls, requestCert: true, rejectUnauthorized: true, requestTimeout: REQUEST_TIMEOUT_MS };
    this.server = createServer(options, (request, response) => {
      const path = (request.url ?? "/").split("?")[0];
      const page = /^\/metrics(?:\/([a-z-]+))?$/.exec(path ?? "");
      const render = page === null ? undefined : pages.get(page[1] ?? "");
      if (render !== undefined) {
        render()
          .then((text) => response.setHeader("content-type", "text/plain; version=0.0.4").end(text))
          .catch((thrown: unknown) => {
            log.error("metrics could not be rendered", { err: thrown });
            response.writeHead(500).end();
          });
        return;
      }
      if (path !== "/healthz" && path !== "/readyz" && path !== "/livez") {
        const names = [...pages.keys()].map((name) => (name === "" ? "/metrics" : `/metrics/${name}`));
        response.writeHead(404).end(`not found; there are ${names.join(", ")}, /livez, /readyz and /healthz\n`);
        return;
      }
      const problems = path === "/livez" ? [] : readiness.problems();
      response
        .writeHead(problems.length === 0 ? 200 : 500)
        .end(problems.length === 0 ? "ok" : `${problems.join("\n")}\n`);
    });
    this.server.on("tlsClientError", (error) => log.debug("tls handshake failed", { err: error }));
  }

  async listen(port: number, address: string): Promise<void> {
    this.server.listen(port, address);
    await once(this.server, "listening");
  }

  async close(): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
