import { TriremeError, errorFrom } from "@trireme/base";
import type { MemberInfo } from "@trireme/mvcc";
import { type MemberTable, PeerServiceClient } from "@trireme/proto/trireme/raft/v1/raft";
import type { Logger } from "@trireme/telemetry";
import { type Founding, hex } from "../cluster.ts";
import { toMemberInfo } from "../grpc/convert.ts";
import { ask } from "../peers/ask.ts";
import { PEER_CHANNEL_OPTIONS, REMOVED_TEXT } from "../peers/link.ts";
import { type TlsFiles, channelCredentials } from "../tls.ts";

/**
 * What peers answer within this time counts. Long enough for a loaded machine, since a founder that has lost its data must
 * be told; where nobody runs yet, attempts are refused at once and cost nothing.
 */
const ASK_MS = 3000;

/** What a running cluster says of itself. */
export interface RunningCluster {
  readonly clusterId: bigint;
  readonly members: readonly MemberInfo[];
  readonly removed: readonly bigint[];
}

/** Asks all given peers who belongs to their cluster; answers of those that run. */
export async function askForMembers(
  addresses: readonly string[],
  tls: TlsFiles,
  log: Logger,
): Promise<RunningCluster[]> {
  const answers = await Promise.all(
    addresses.map(async (address) => {
      const client = new PeerServiceClient(address, channelCredentials(tls), PEER_CHANNEL_OPTIONS);
      try {
        const answer = await ask(client, { hello: undefined, question: { $case: "listMembers", value: {} } }, ASK_MS);
        return answer.$case === "listMembers" ? [toRunning(answer.value)] : [];
      } catch (error) {
        log.debug("a peer does not say who the members are", { peer: address, err: errorFrom(error) });
        return [];
      } finally {
        client.close();
      }
    }),
  );
  return answers.flat();
}

function toRunning(table: MemberTable): RunningCluster {
  return { clusterId: table.clusterId, members: table.members.map(toMemberInfo), removed: table.removed };
}

/** Whether a running cluster has a member at a peer address. */
export function isKnown(running: readonly RunningCluster[], peerAddress: string): boolean {
  return running.some(({ members }) => members.some(({ peerUrls }) => peerUrls.includes(`https://${peerAddress}`)));
}

/**
 * Finds out as whom a member joins: the members of a running cluster know it by its peer address, since somebody has added
 * it there. Throws when nobody answers or nobody knows it.
 */
export function findSelf(
  running: readonly RunningCluster[],
  peerAddress: string,
): { clusterId: bigint; self: bigint; members: readonly MemberInfo[] } {
  if (running.length === 0) {
    throw new TriremeError(
      "ServiceUnavailable",
      "no member of the existing cluster answers: --initial-cluster must name its members with their peer addresses",
    );
  }
  const url = `https://${peerAddress}`;
  for (const { clusterId, members } of running) {
    const self = members.find((member) => member.peerUrls.includes(url));
    if (self !== undefined) return { clusterId, self: self.id, members };
  }
  throw new TriremeError(
    "NotFound",
    `the existing cluster has no member at ${url}: add it first, with \`etcdctl member add NAME --peer-urls=${url} --learner\``,
  );
}

/**
 * Throws when this member is about to found a cluster that runs already with it: it has lost its data, and with an empty
 * log under its old id it could vote twice in one term and forget what it acknowledged.
 */
export function refuseSecondBirth(founding: Founding, running: readonly RunningCluster[]): void {
  const id = hex(founding.self);
  for (const { clusterId, members, removed } of running) {
    if (clusterId !== founding.clusterId) continue;
    if (removed.includes(founding.self)) throw new TriremeError("Gone", `${id}: ${REMOVED_TEXT}`);
    const known = members.find((member) => member.id === founding.self);
    // Who has said its client addresses has been running.
    if (known === undefined || known.clientUrls.length === 0) continue;
    throw new TriremeError(
      "Conflict",
      `member ${id} has already been bootstrapped, and its data directory is empty. It must not come back under its old ` +
        `id: remove it with \`etcdctl member remove ${id}\`, add it anew with \`etcdctl member add\`, and start it with ` +
        "--initial-cluster-state=existing",
    );
  }
}
