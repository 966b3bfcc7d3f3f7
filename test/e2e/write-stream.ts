import { TriremeError, errorFrom } from "@trireme/base";
import { adminCredentials } from "./cluster.ts";
import { apiRequest } from "./api-request.ts";

/** What became of a stream of writes. */
export interface WriteReport {
  /** Names of ConfigMaps whose creation was acknowledged. */
  readonly acknowledged: readonly string[];
  readonly acknowledgedAt: readonly number[];
  readonly failed: number;
  /** The longest time between two acknowledgements, ms. */
  readonly longestGapMs: number;
}

export interface WriteStream {
  /** How many writes were acknowledged until now. */
  acknowledged(): number;
  stop(): Promise<WriteReport>;
}

/**
 * Creates one ConfigMap after another through the admin's address, each under a new name, so that every acknowledgement
 * names an object that must be found later. A failed write is counted and never repeated.
 */
export async function writeStream(namespace: string): Promise<WriteStream> {
  const { server, ca, cert, key } = await adminCredentials();
  const acknowledged: string[] = [];
  const acknowledgedAt: number[] = [];
  let failed = 0;
  let stopped = false;
  const prefix = `w${Date.now().toString(36)}`;
  const loop = (async () => {
    for (let i = 0; !stopped; i++) {
      const name = `${prefix}-${i}`;
      const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { i: String(i) } };
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      try {
        const answer = await apiRequest(server, { ca, cert, key }, { method: "POST", path, body });
        if (answer.status !== 201) throw new TriremeError("InternalError", `HTTP ${answer.status}`);
        acknowledged.push(name);
        acknowledgedAt.push(performance.now());
      } catch (error) {
        failed += 1;
        if (failed <= 5) console.log(`a write failed: ${errorFrom(error).message}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    acknowledged: () => acknowledged.length,
    async stop() {
      stopped = true;
      await loop;
      const gaps = acknowledgedAt.slice(1).map((at, i) => at - acknowledgedAt[i]!);
      return { acknowledged, acknowledgedAt, failed, longestGapMs: Math.max(0, ...gaps) };
    },
  };
}
