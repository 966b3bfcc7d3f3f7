import { LogsRequest } from "@trireme/proto/trireme/api/v1/manifest";
import { type LogLine, LogLines } from "./log-lines.ts";
import { type StatusError, isBroken } from "./status-error.ts";
import type { CallSettings, Transport } from "./transport.ts";
import { reopens } from "./watch.ts";

/** Whose log, and which part of it. */
export interface LogOptions extends CallSettings {
  readonly namespace: string;
  readonly pod: string;
  /** Absent: the pod's only container. */
  readonly container?: string;
  /** Goes on with what comes, until the container has ended. */
  readonly follow?: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** The instance before the last restart. */
  readonly previous?: boolean;
}

/**
 * Reads a container's log line by line. When the connection breaks it goes on behind the last line, at another server if
 * need be: none is lost or told twice. Ends with the log or when the signal aborts.
 */
export async function* logs(transport: Transport, options: LogOptions): AsyncGenerator<LogLine, void, undefined> {
  const { namespace, pod, container, follow, tailLines, sinceSeconds, previous, signal, timeoutMs } = options;
  const what = `logs of pod ${namespace}/${pod}`;
  const until = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
  const lines = new LogLines();
  for (;;) {
    const from = lines.resumeFromMs();
    const begin =
      from === undefined
        ? {
            ...(tailLines === undefined ? {} : { tailLines: BigInt(tailLines) }),
            ...(sinceSeconds === undefined ? {} : { sinceSeconds: BigInt(sinceSeconds) }),
          }
        : { sinceTimeMs: BigInt(from) };
    const request = LogsRequest.fromPartial({
      namespace,
      pod,
      container: container ?? "",
      follow: follow ?? false,
      previous: previous ?? false,
      timestamps: true,
      ...begin,
    });
    const settings = {
      ...(signal === undefined ? {} : { signal }),
      ...(until === undefined ? {} : { timeoutMs: Math.max(1, until - Date.now()) }),
    };
    try {
      const pieces = transport.stream(what, settings, (client, metadata, callOptions) =>
        client.logs(request, metadata, callOptions),
      );
      for await (const { data } of pieces) yield* lines.push(data);
      yield* lines.end();
      return;
    } catch (thrown) {
      if (signal?.aborted === true) return;
      if (!isBroken(thrown as StatusError)) throw thrown;
    }
    lines.restart();
    if (!(await reopens(signal))) return;
  }
}
