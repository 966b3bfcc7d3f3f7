import { Agent, request } from "node:http";

/** A request has failed when its answer is not whole after this time. */
const TIMEOUT_MS = 5_000;

/** One GET; rejects on anything but a whole 200 within `timeoutMs`, waiting for a connection included. No retry. */
function get(url: string, agent: Agent | false, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = agent === false ? { connection: "close" } : {};
    const req = request(url, { agent, headers }, (res) => {
      let body = "";
      res.setEncoding("utf8").on("data", (text: string) => (body += text));
      res.on("error", reject);
      res.on("end", () => (res.statusCode === 200 ? resolve(body) : reject(new Error(`HTTP ${res.statusCode}`))));
    });
    const timer = setTimeout(() => req.destroy(new Error(`no answer in ${timeoutMs} ms from ${url}`)), timeoutMs);
    req.on("error", (error) => reject(req.reusedSocket ? new Error(`kept connection: ${error.message}`) : error));
    req.on("close", () => clearTimeout(timer));
    req.end();
  });
}

/** One GET on a connection of its own; rejects on anything but 200 and after `timeoutMs`. No retry. */
export function fetchText(url: string, timeoutMs = TIMEOUT_MS): Promise<string> {
  return get(url, false, timeoutMs);
}

/**
 * GETs over that many kept connections in turn. As HTTP says, a connection goes on until an answer says
 * `Connection: close`, or the time that its `Keep-Alive` names is over; the next request then opens another. A client
 * may also repeat a GET when a kept connection ends under it (RFC 9112, 9.3.1); this one does not: it counts.
 */
export function keptConnections(
  connections: number,
  timeoutMs = TIMEOUT_MS,
): { send(url: string): Promise<string>; close(): void } {
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  let turn = 0;
  return {
    send: (url) => get(url, agents[turn++ % connections]!, timeoutMs),
    close: () => agents.forEach((agent) => agent.destroy()),
  };
}

/** What an open-loop run saw. */
export interface LoadReport {
  sent: number;
  ok: number;
  failed: number;
  /** The first few, with the time at which each was seen. */
  readonly errors: string[];
  /** When those that failed were sent, ms since the epoch: one that is told late may have met an older fault. */
  readonly failedSentAt: number[];
  /** The longest that an answer took, ms. */
  slowestMs: number;
}

/** A test is over long before so many requests have failed; what is beyond is counted alone. */
const MAX_FAILED_TIMES = 10_000;

/**
 * Sends at a fixed rate whatever the answers do (open loop: a stall shows as failures, not as fewer requests), no retry,
 * until stopped.
 */
export function openLoop(
  ratePerSecond: number,
  send: () => Promise<unknown>,
): { readonly soFar: LoadReport; stop(): Promise<LoadReport> } {
  const report: LoadReport = { sent: 0, ok: 0, failed: 0, errors: [], failedSentAt: [], slowestMs: 0 };
  const inFlight = new Set<Promise<void>>();
  const started = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1000) * ratePerSecond);
    while (report.sent < due) {
      report.sent += 1;
      const sentAt = performance.now();
      const sentDate = Date.now();
      const one: Promise<void> = send()
        .then(() => {
          report.ok += 1;
          report.slowestMs = Math.max(report.slowestMs, Math.round(performance.now() - sentAt));
        })
        .catch((error: unknown) => {
          report.failed += 1;
          if (report.failedSentAt.length < MAX_FAILED_TIMES) report.failedSentAt.push(sentDate);
          if (report.errors.length < 10) {
            report.errors.push(`${new Date().toISOString()}: ${(error as Error).message}`);
          }
        })
        .finally(() => inFlight.delete(one));
      inFlight.add(one);
    }
  }, 10);
  return {
    soFar: report,
    async stop() {
      clearInterval(timer);
      await Promise.all(inFlight);
      return report;
    },
  };
}
