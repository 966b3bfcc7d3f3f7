import { get } from "node:http";
import { Exposition, type Page } from "@trireme/telemetry";

/** The monitoring page is on the same machine and made from memory: silence of a second is a server that hangs. */
const TIMEOUT_MS = 1000;

/** Longest answer that is read; the page has some 2 KB. */
const MAX_BYTES = 256 * 1024;

/** The numbers of nats-server's `/varz` that are told, under the names of prometheus-nats-exporter. */
const VARZ: readonly (readonly [field: string, type: "counter" | "gauge", help: string])[] = [
  ["connections", "gauge", "Clients that are connected."],
  ["total_connections", "counter", "Clients that have connected so far."],
  ["routes", "gauge", "Connections to the other servers."],
  ["subscriptions", "gauge", "Subscriptions."],
  ["slow_consumers", "counter", "Clients that were cut off because they read too slowly."],
  ["in_msgs", "counter", "Messages received."],
  ["out_msgs", "counter", "Messages sent."],
  ["in_bytes", "counter", "Bytes received."],
  ["out_bytes", "counter", "Bytes sent."],
  ["mem", "gauge", "Resident memory, bytes."],
  ["cpu", "gauge", "CPU use, percent of one."],
  ["max_connections", "gauge", "Connections at which further ones are refused."],
  ["max_payload", "gauge", "Bytes of the longest message."],
];

/** What `/varz` says, as far as we look. */
export type Varz = Readonly<Record<string, unknown>>;

/** This server's NATS, read at each scrape from its monitoring page on loopback. */
export function natsPage(port: number): Page {
  return async () => renderNats(await readVarz(port));
}

/** Renders the metrics; `varz` is undefined when the server does not answer. */
export function renderNats(varz: Varz | undefined): string {
  const out = new Exposition();
  out
    .family("tri_nats_up", "gauge", "Whether this server's nats-server answers (1) or not (0).")
    .add({}, varz === undefined ? 0 : 1);
  if (varz === undefined) return out.text();
  for (const [field, type, help] of VARZ) {
    const value = varz[field];
    if (typeof value === "number") out.family(`gnatsd_varz_${field}`, type, help).add({}, value);
  }
  const start = Date.parse(typeof varz["start"] === "string" ? varz["start"] : "");
  if (!Number.isNaN(start)) {
    out.family("tri_nats_start_time_seconds", "gauge", "When it began, seconds since 1970.").add({}, start / 1000);
  }
  return out.text();
}

function readVarz(port: number): Promise<Varz | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/varz", agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (text.length > MAX_BYTES) request.destroy();
      });
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        try {
          resolve(response.statusCode === 200 ? (JSON.parse(text) as Varz) : undefined);
        } catch {
          // Half an answer of a server that ends is no answer; the page says that it is down.
          resolve(undefined);
        }
      });
    });
    const timer = setTimeout(() => request.destroy(), TIMEOUT_MS);
    request.on("error", () => resolve(undefined));
    request.on("close", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
