import { errorFrom, sleep } from "@trireme/base";
import { type Access, openAccess } from "../join/access.ts";
import { admit } from "../join/admission.ts";
import { readHostFile, writeHostFile } from "../join/files.ts";
import { becomeMember } from "../join/membership.ts";
import { joinedFile, waitReady } from "../join/run-server.ts";
import { createToken, revokeToken } from "../join/tokens.ts";
import type { ClusterPlan, HostPlan } from "../plan/cluster-plan.ts";
import type { HostFile } from "../plan/host-file.ts";
import type { Programs } from "../plan/processes.ts";
import { hostPid, startProcesses } from "./keeper.ts";
import type { Progress } from "./progress.ts";

/** A token of `up` is used at once, and revoked as soon as it was. */
const TOKEN_MS = 10 * 60_000;

/** A server answers a joiner at once, a new one that is still busy starting within seconds. */
const ADMITTED_WITHIN_MS = 60_000;
const RETRY_MS = 200;

/** Hosts that are no whole members of their cluster yet, or that it does not know any more: a restored one, of later ones. */
function joiningHosts(plan: ClusterPlan, recorded: ReadonlySet<string>): HostPlan[] {
  const isForgotten = ({ name, role }: HostPlan): boolean => role === "node" && !recorded.has(name);
  return plan.managed.filter((host) => readHostFile(host.dir)?.phase !== "joined" || isForgotten(host));
}

/**
 * Lets hosts join over the network, all at once, as machines of their own do. `recorded`: whom the cluster knows. Servers wait
 * for each other where the store has them wait: one learner at a time. Whatever was done stays done when it is broken off;
 * the next `up` goes on.
 */
export async function joinHosts(
  plan: ClusterPlan,
  programs: Programs,
  recorded: ReadonlySet<string>,
  progress: Progress,
): Promise<void> {
  for (const { name, dir } of plan.servers) {
    if (recorded.has(name) || readHostFile(dir)?.phase !== "joined") continue;
    progress.note(
      `${name} was removed from the cluster: tri host kill ${name}, rm -r ${dir} and tri up let it join anew`,
    );
  }
  const joining = joiningHosts(plan, recorded);
  if (joining.length === 0) return;
  const access = await openAccess({ dataDir: "", cluster: plan.name });
  try {
    await Promise.all(
      joining.map((host) =>
        progress.step(`${host.name} joins`, () => join({ plan, programs, progress, access, recorded, host })),
      ),
    );
  } finally {
    access.client.close();
  }
}

interface Join {
  readonly plan: ClusterPlan;
  readonly programs: Programs;
  readonly progress: Progress;
  readonly access: Access;
  readonly recorded: ReadonlySet<string>;
  readonly host: HostPlan;
}

async function join(joining: Join): Promise<void> {
  const { plan, programs, progress, recorded, host } = joining;
  const known = recorded.has(host.name) ? readHostFile(host.dir) : undefined;
  const file = known ?? (await invite(joining));
  await startProcesses(plan, programs);
  if (host.role === "node") return;
  // Its supervisor keeps its store running, which finds its place once it was added.
  const starter = { isRunning: () => hostPid(host, "store") !== undefined, start: async () => {} };
  await becomeMember(host, file, starter, progress);
  writeHostFile(host.dir, joinedFile(file));
  await startProcesses(plan, programs);
  await waitReady(host, programs);
}

/** A host may come again with its key: an answer that was lost costs another token. */
async function invite(joining: Join): Promise<HostFile> {
  const deadline = performance.now() + ADMITTED_WITHIN_MS;
  for (;;) {
    try {
      return await inviteOnce(joining);
    } catch (thrown) {
      if (!errorFrom(thrown).retryable || performance.now() > deadline) throw thrown;
    }
    await sleep(RETRY_MS);
  }
}

/** A host of ours that has lost its folder is known to the cluster, and takes the place of its former self. */
async function inviteOnce({ plan, access, host }: Join): Promise<HostFile> {
  const token = await createToken(access, host.role, TOKEN_MS);
  try {
    const join = `https://127.0.0.1:${plan.shape.httpsPort}`;
    return await admit(host, { join, token, replace: host.name });
  } finally {
    await revokeToken(access, token);
  }
}
