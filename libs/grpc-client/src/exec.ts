import { once } from "node:events";
import type { ExecRequest, ExecResponse } from "@trireme/proto/trireme/api/v1/manifest";
import type { CallSettings, Transport } from "./transport.ts";

/** What to run, and where. */
export interface ExecOptions extends CallSettings {
  readonly namespace: string;
  readonly pod: string;
  /** Absent: the pod's only container. */
  readonly container?: string;
  readonly command: readonly string[];
  /** The command's input; its end is the end of it. Absent: none. */
  readonly stdin?: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;
  readonly stdout?: (data: Buffer) => void;
  readonly stderr?: (data: Buffer) => void;
}

/** Runs a command in a running container, and answers its exit code. */
export async function exec(transport: Transport, options: ExecOptions): Promise<number> {
  const { namespace, pod, container = "", command, stdin, stdout, stderr, ...settings } = options;
  const what = `exec in pod ${namespace}/${pod}`;
  return transport.converse<ExecRequest, ExecResponse, number>(
    what,
    settings,
    (client, metadata, callOptions) => client.exec(metadata, callOptions),
    async (call) => {
      const open = { namespace, pod, container, command: [...command], stdin: stdin !== undefined, tty: false };
      call.write({ message: { $case: "open", value: open } });
      const input = async (): Promise<void> => {
        for await (const piece of stdin ?? []) {
          const message = { $case: "stdin", value: Buffer.from(piece) } as const;
          if (!call.write({ message })) await once(call, "drain");
        }
        call.end();
      };
      const wrong = new Promise<never>((_, reject) => void input().catch(reject));
      wrong.catch(() => undefined);
      const output = async (): Promise<number> => {
        for await (const { message } of call as AsyncIterable<ExecResponse>) {
          if (message?.$case === "stdout") stdout?.(message.value);
          if (message?.$case === "stderr") stderr?.(message.value);
          if (message?.$case === "exit") return message.value.code;
        }
        throw new Error(`${what}: the server ended it without an exit code`);
      };
      const outcome = output();
      outcome.catch(() => undefined);
      return Promise.race([outcome, wrong]);
    },
  );
}
