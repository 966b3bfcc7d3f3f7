import { errorFrom, sleep } from "@trireme/base";
import type { ApiObject, ResourceClient } from "@trireme/client";
import type { Logger } from "@trireme/telemetry";

/** Pause before asking again after a failure: short, since NodePorts wait for it, and there are only a few of us. */
const RETRY_MS = 250;

/**
 * Keeps a local copy of one resource by list and watch, for as long as `signal` does not abort, and calls `onChange`
 * with all objects after each change. While no server is worth asking, or none answers, the copy stays as it was.
 */
export async function mirror<T extends ApiObject>(
  client: ResourceClient<T>,
  name: string,
  onChange: (objects: readonly T[]) => void,
  isWorthAsking: () => boolean,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  let silent = false;
  while (!signal.aborted) {
    if (!isWorthAsking()) {
      await sleep(RETRY_MS);
      continue;
    }
    try {
      const list = await client.list({ signal });
      const objects = new Map(list.items.map((object) => [keyOf(object), object]));
      onChange([...objects.values()]);
      silent = false;
      let resourceVersion = list.resourceVersion;
      while (!signal.aborted) {
        await client.watch({ resourceVersion, signal }, ({ type, object }) => {
          resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
          if (type === "BOOKMARK") return;
          if (type === "DELETED") objects.delete(keyOf(object));
          else objects.set(keyOf(object), object);
          onChange([...objects.values()]);
        });
      }
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code === "Cancelled" || signal.aborted) return;
      // Once a failure, not each time: before the first server is up this fails many times a second.
      if (!silent) log.info("cannot follow resource", { resource: name, err: error });
      silent = error.code !== "Expired" && error.code !== "Gone";
      await sleep(RETRY_MS);
    }
  }
}

function keyOf(object: ApiObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;
}
