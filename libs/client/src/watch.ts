import { TriremeError } from "@trireme/base";
import { LineSplitter } from "./line-splitter.ts";
import { errorFromResponse, errorFromStatus } from "./status-error.ts";
import type { OpenResponse, Transport } from "./transport.ts";
import type { WatchEvent } from "./types.ts";

/** The longest event: the store refuses values above 1.5 MiB, and JSON is at most a few times that. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/** Longest body of a refused watch: a Status. */
const MAX_STATUS_BYTES = 1024 * 1024;

const TYPES: ReadonlySet<string> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

function parseEvent<T>(line: string): WatchEvent<T> {
  let parsed: { type?: unknown; object?: unknown };
  try {
    parsed = JSON.parse(line) as { type?: unknown; object?: unknown };
  } catch (cause) {
    throw new TriremeError("InternalError", "the watch sent a line that is not JSON", { cause });
  }
  if (parsed.type === "ERROR") throw errorFromStatus(parsed.object, 500);
  if (typeof parsed.type !== "string" || !TYPES.has(parsed.type) || typeof parsed.object !== "object") {
    throw new TriremeError("InternalError", `the watch sent an event of type ${JSON.stringify(parsed.type)}`);
  }
  return parsed as WatchEvent<T>;
}

async function refusal(message: OpenResponse["message"]): Promise<TriremeError> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_STATUS_BYTES) break;
    chunks.push(chunk);
  }
  return errorFromResponse(message.statusCode ?? 0, Buffer.concat(chunks));
}

/** Runs one watch from its opening to its end; see `ResourceClient.watch`. */
export async function runWatch<T>(
  transport: Transport,
  path: string,
  headers: Readonly<Record<string, string | number>>,
  options: { readonly signal?: AbortSignal; readonly onOpen?: () => void; readonly bookmarks: boolean },
  onEvent: (event: WatchEvent<T>) => void,
): Promise<void> {
  const { signal } = options;
  let answer: OpenResponse;
  try {
    answer = await transport.stream({ method: "GET", path, headers }, signal);
  } catch (thrown) {
    if (signal?.aborted === true) return;
    throw thrown;
  }
  const { message, opened, address } = answer;
  if (message.statusCode !== 200) throw await refusal(message);
  const splitter = new LineSplitter(MAX_EVENT_BYTES);
  let cancelSilence: (() => void) | undefined;
  const expectBytes = (): void => {
    cancelSilence?.();
    if (!options.bookmarks) return;
    const { watchSilenceMs } = transport.timing;
    cancelSilence = transport.clock.after(watchSilenceMs, () =>
      opened.abort(new Error(`the watch was silent for ${watchSilenceMs} ms`)),
    );
  };
  const onAbort = (): void => opened.abort(new Error("cancelled"));
  try {
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener("abort", onAbort, { once: true });
      message.on("data", (chunk: Buffer) => {
        opened.heard();
        expectBytes();
        try {
          for (const line of splitter.push(chunk)) {
            if (signal?.aborted === true) return;
            onEvent(parseEvent<T>(line));
          }
        } catch (thrown) {
          reject(thrown as Error);
          opened.abort(new Error("the watch failed"));
        }
      });
      const broken = (err?: Error): TriremeError => {
        const cause = opened.aborted() ?? err;
        return new TriremeError("ServiceUnavailable", `${address}: the watch broke off`, { cause });
      };
      message.once("end", resolve);
      message.once("error", (err) => (signal?.aborted === true ? resolve() : reject(broken(err))));
      message.once("close", () => (signal?.aborted === true ? resolve() : reject(broken())));
      expectBytes();
      options.onOpen?.();
      if (signal?.aborted === true) onAbort();
    });
  } finally {
    cancelSilence?.();
    signal?.removeEventListener("abort", onAbort);
  }
}
