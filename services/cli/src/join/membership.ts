import { existsSync, readdirSync } from "node:fs";
import { TriremeError, errorFrom, sleep } from "@trireme/base";
import { type Machine, PORTS } from "../plan/cluster-plan.ts";
import type { HostFile } from "../plan/host-file.ts";
import type { Progress } from "../local/progress.ts";
import { type JoiningMember, decideMember } from "./decide-member.ts";
import { knownServers } from "./files.ts";
import { Members } from "./members.ts";

/**
 * Others join one at a time and each needs seconds; a new member gets a snapshot of up to a GiB. After this people want to
 * read logs.
 */
const WITHIN_MS = 300_000;
const RETRY_MS = 250;

/** How a server's own store is started, by whoever keeps its processes. */
export interface StoreStarter {
  isRunning(): boolean;
  start(): Promise<void>;
}

/**
 * Makes a server's store a voting member: added as a learner, started, promoted when it has caught up; the dead one whose
 * place it takes goes first. Each step is decided from the cluster's present members, so it can be broken off and called
 * again at any point. Others' joins are waited for.
 */
export async function becomeMember(
  host: Machine,
  file: HostFile,
  starter: StoreStarter,
  progress: Progress,
): Promise<void> {
  const others = knownServers(host.dir, file).filter((server) => server.name !== host.name);
  const members = new Members(
    others.map(({ address }) => `${address}:${PORTS.storeClient}`),
    `${host.dir}/pki`,
  );
  const self = (): JoiningMember => ({
    name: host.name,
    peerUrl: `https://${host.address}:${PORTS.storePeer}`,
    hasLog: hasLog(host),
    replace: file.replace,
  });
  const deadline = performance.now() + WITHIN_MS;
  let refusal = "";
  try {
    for (;;) {
      try {
        const { step, ...rest } = decideMember(await members.list(), self(), starter.isRunning());
        if (step === "done") return;
        if (step === "remove" && "why" in rest) {
          progress.note(`${host.name}: member ${rest.id.toString(16)} is removed: ${rest.why}`);
          await members.remove(rest.id);
        }
        if (step === "add") await members.addLearner(self().peerUrl);
        if (step === "start") await starter.start();
        if (step === "promote" && "id" in rest) await members.promote(rest.id);
        if (step !== "start") continue;
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (error.code !== "ServiceUnavailable") throw error;
        // Another server is joining, members have not been connected for long enough, or this one has not caught up.
        if (error.message !== refusal) progress.note(`${host.name}: waiting: ${error.message}`);
        refusal = error.message;
      }
      if (performance.now() > deadline) {
        throw new TriremeError(
          "Timeout",
          `${host.name} does not become a member: ${refusal}; see ${host.dir}/log/store.log`,
        );
      }
      await sleep(RETRY_MS);
    }
  } finally {
    members.close();
  }
}

function hasLog(host: Machine): boolean {
  const wal = `${host.dir}/store/wal`;
  return existsSync(wal) && readdirSync(wal).length > 0;
}
