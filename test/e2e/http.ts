import { request } from "node:http";

/** One GET on a connection of its own; rejects on anything but 200 and after `timeoutMs`. No retry. */
export function fetchText(url: string, timeoutMs = 5_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = request(url, { agent: false, timeout: timeoutMs, headers: { connection: "close" } }, (res) => {
      let body = "";
      res.setEncoding("utf8").on("data", (text: string) => (body += text));
      res.on("error", reject);
      res.on("end", () => (res.statusCode === 200 ? resolve(body) : reject(new Error(`HTTP ${res.statusCode}`))));
    });
    req.on("timeout", () => req.destroy(new Error(`no answer in ${timeoutMs} ms from ${url}`)));
    req.on("error", reject);
    req.end();
  });
}

/** What an open-loop run saw. */
export interface LoadReport {
  sent: number;
  ok: number;
  failed: number;
  readonly errors: string[];
}

/**
 * Sends at a fixed rate whatever the answers do (open loop: a stall shows as failures, not as fewer requests), a new
 * connection for each, no retry, until stopped.
 */
export function openLoop(ratePerSecond: number, send: () => Promise<unknown>): { stop(): Promise<LoadReport> } {
  const report: LoadReport = { sent: 0, ok: 0, failed: 0, errors: [] };
  const inFlight = new Set<Promise<void>>();
  const started = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1000) * ratePerSecond);
    while (report.sent < due) {
      report.sent += 1;
      const one: Promise<void> = send()
        .then(() => void (report.ok += 1))
        .catch((error: unknown) => {
          report.failed += 1;
          if (report.errors.length < 10) {
            report.errors.push(`${Math.round(performance.now() - started)} ms: ${(error as Error).message}`);
          }
        })
        .finally(() => inFlight.delete(one));
      inFlight.add(one);
    }
  }, 10);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(inFlight);
      return report;
    },
  };
}
