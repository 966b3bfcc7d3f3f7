import { credentials } from "@grpc/grpc-js";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { TaskDelete, TaskExit, TaskOOM, TaskStart } from "@trireme/proto/containerd/events/task";
import { EventsClient } from "@trireme/proto/containerd/services/events/v1/events";
import type { Envelope } from "@trireme/proto/containerd/services/events/v1/events";

/**
 * Something happened to a container's first process. A hint only: relist for the truth. `containerId` is also the
 * sandbox's id when the process is a sandbox's.
 */
export interface RuntimeEvent {
  readonly type: "start" | "exit" | "oom" | "delete";
  readonly containerId: string;
}

/** How long to wait before asking again after the event stream broke; a restarting runtime needs some 150 ms. */
const RETRY_MS = 100;
const FILTER = 'namespace==k8s.io,topic~="^/tasks/"';

/** Decodes one envelope; undefined for events that say nothing of a container's life (an exec that ended, say). */
export function decodeEvent(envelope: Envelope): RuntimeEvent | undefined {
  const bytes = envelope.event?.value;
  if (bytes === undefined) return undefined;
  switch (envelope.topic) {
    case "/tasks/start":
      return { type: "start", containerId: TaskStart.decode(bytes).containerId };
    case "/tasks/exit": {
      const exit = TaskExit.decode(bytes);
      // `id` is another than the container's when a process inside it, such as an exec, has ended.
      return exit.id === exit.containerId ? { type: "exit", containerId: exit.containerId } : undefined;
    }
    case "/tasks/oom":
      return { type: "oom", containerId: TaskOOM.decode(bytes).containerId };
    case "/tasks/delete": {
      const gone = TaskDelete.decode(bytes);
      return gone.id === "" || gone.id === gone.containerId
        ? { type: "delete", containerId: gone.containerId }
        : undefined;
    }
    default:
      return undefined;
  }
}

/**
 * Follows containerd's event stream, which is on the CRI socket. `onGap` is called once at the start and after each
 * break: events may have been missed, so the caller relists. Answers a function that stops it.
 */
export function watchRuntimeEvents(options: {
  readonly socket: string;
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly onGap: () => void;
}): () => void {
  let stopped = false;
  let client: EventsClient | undefined;
  let stream: ClientReadableStream<Envelope> | undefined;
  let retry: NodeJS.Timeout | undefined;

  const connect = (): void => {
    if (stopped) return;
    // A client of its own per try: a channel that has backed off would make us wait for its next attempt.
    client = new EventsClient(`unix://${options.socket}`, credentials.createInsecure());
    stream = client.subscribe({ filters: [FILTER] });
    let over = false;
    const again = (): void => {
      if (over) return;
      over = true;
      client?.close();
      if (!stopped) retry = setTimeout(connect, RETRY_MS);
    };
    stream.on("metadata", options.onGap);
    stream.on("data", (envelope: Envelope) => {
      const event = decodeEvent(envelope);
      if (event !== undefined) options.onEvent(event);
    });
    // The reason does not matter: whatever ended the stream, the answer is to subscribe again and relist.
    stream.on("error", again);
    stream.on("end", again);
    options.onGap();
  };
  connect();
  return () => {
    stopped = true;
    clearTimeout(retry);
    stream?.cancel();
    client?.close();
  };
}
