import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StoreCluster, until } from "./store-cluster.ts";

// Goal: Debian's etcdctl works unchanged, and every etcd metric that stock dashboards ask for is served. Method: three real
// members; each command as a person types it, and what it prints. (put, get, del, txn and watch are in store-raft.)

/** The etcd-shaped names of the store's dashboards and alerts. */
const METRICS = [
  "etcd_server_has_leader",
  "etcd_server_is_leader",
  "etcd_server_leader_changes_seen_total",
  "etcd_server_proposals_failed_total",
  "etcd_server_proposals_committed_total",
  "etcd_server_proposals_applied_total",
  "etcd_server_proposals_pending",
  "etcd_disk_wal_fsync_duration_seconds_bucket",
  "etcd_disk_backend_commit_duration_seconds_bucket",
  "etcd_mvcc_db_total_size_in_bytes",
  "etcd_mvcc_db_total_size_in_use_in_bytes",
  "etcd_server_quota_backend_bytes",
  "etcd_network_peer_round_trip_time_seconds_bucket",
  "etcd_network_peer_sent_bytes_total",
  "etcd_network_peer_received_bytes_total",
  "etcd_network_client_grpc_sent_bytes_total",
  "etcd_network_client_grpc_received_bytes_total",
  "grpc_server_handled_total",
  "grpc_server_handling_seconds_bucket",
  "grpc_server_started_total",
];

describe("etcdctl", () => {
  const cluster = new StoreCluster(["--quota-bytes=4194304"]);
  const all = cluster.members;
  const ctl = async (...args: string[]): Promise<string> => {
    const { ok, stdout, stderr } = await cluster.etcdctl(all, [], args);
    expect(ok, `etcdctl ${args.join(" ")}: ${stderr}`).toBe(true);
    return stdout;
  };
  const refused = async (...args: string[]): Promise<string> => {
    const { ok, stderr } = await cluster.etcdctl(all, [], args);
    expect(ok).toBe(false);
    return stderr;
  };

  beforeAll(() => cluster.start());
  afterAll(async () => {
    if (process.env["VERBOSE"] !== undefined) for (const member of all) console.log(member.log().slice(-3000));
    await cluster.stop();
  });

  it("lease grant, timetolive, list, keep-alive, revoke", async () => {
    const granted = /^lease ([0-9a-f]+) granted with TTL\(60s\)\n$/.exec(await ctl("lease", "grant", "60"));
    const id = granted![1]!;
    expect(await ctl("put", "leased/a", "1", `--lease=${id}`)).toBe("OK\n");
    expect(await ctl("lease", "timetolive", id, "--keys")).toMatch(
      new RegExp(`^lease ${id} granted with TTL\\(60s\\), remaining\\(5\\ds\\), attached keys\\(\\[leased/a\\]\\)\\n$`),
    );
    expect(await ctl("lease", "list")).toBe(`found 1 leases\n${id}\n`);
    expect(await ctl("lease", "keep-alive", "--once", id)).toBe(`lease ${id} keepalived with TTL(60)\n`);
    expect(await ctl("lease", "revoke", id)).toBe(`lease ${id} revoked\n`);
    expect(await ctl("get", "leased/", "--prefix")).toBe("");
    expect(await refused("lease", "revoke", id)).toContain("etcdserver: requested lease not found");
    expect(await ctl("lease", "timetolive", id)).toBe(`lease ${id} already expired\n`);
    expect(await refused("put", "leased/a", "1", `--lease=${id}`)).toContain("requested lease not found");
  });

  it("lock and elect, which stand on leases", async () => {
    const locked = await ctl("lock", "mutex", "--", "echo", "inside");
    expect(locked).toContain("inside");
    const campaign = spawn("etcdctl", [...cluster.etcdctlFlags(all), "elect", "office", "holder"], {
      env: { ...process.env, ETCDCTL_API: "3" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    campaign.stdout.on("data", (data: Buffer) => (said += data.toString()));
    await until("an office holder", () => (said.includes("holder") ? true : undefined));
    const gone = new Promise((resolve) => campaign.once("exit", resolve));
    campaign.kill("SIGINT");
    await gone;
    await until("the end of office", async () => ((await ctl("get", "office", "--prefix")) === "" ? true : undefined));
  });

  it("compaction, and what it forgets", async () => {
    const revisions: number[] = [];
    for (const value of ["1", "2", "3"]) {
      const answer = JSON.parse(await ctl("put", "history", value, "-w", "json")) as { header: { revision: number } };
      revisions.push(answer.header.revision);
    }
    expect(await ctl("get", "history", `--rev=${revisions[0]}`, "--print-value-only")).toBe("1\n");
    expect(await ctl("compaction", String(revisions[1]))).toBe(`compacted revision ${revisions[1]}\n`);
    expect(await refused("get", "history", `--rev=${revisions[0]}`)).toContain("required revision has been compacted");
    expect(await refused("compaction", String(revisions[1]))).toContain("required revision has been compacted");
    expect(await refused("compaction", "1000000")).toContain("required revision is a future revision");
  });

  it("endpoint health, status, hashkv, defrag, alarm list", async () => {
    const health = await cluster.etcdctl(all, [], ["endpoint", "health"]);
    expect(`${health.stdout}${health.stderr}`.match(/is healthy: successfully committed proposal/g)).toHaveLength(3);
    const statuses = JSON.parse(await ctl("endpoint", "status", "-w", "json")) as { Status: { leader: number } }[];
    expect(new Set(statuses.map(({ Status }) => Status.leader)).size).toBe(1);
    const hashes = (await ctl("endpoint", "hashkv")).trim().split("\n");
    expect(hashes).toHaveLength(3);
    expect(new Set(hashes.map((line) => line.split(", ")[1])).size).toBe(1);
    expect((await ctl("defrag")).match(/Finished defragmenting etcd member/g)).toHaveLength(3);
    expect(await ctl("alarm", "list")).toBe("");
  });

  it("move-leader", async () => {
    const leader = await cluster.leader();
    const [target] = cluster.others(leader);
    const id = (await target!.status())!.memberId.toString(16);
    const { stdout, stderr } = await cluster.etcdctl([leader], [], ["move-leader", id]);
    expect(stdout, stderr).toMatch(new RegExp(`^Leadership transferred from [0-9a-f]+ to ${id}\\n$`));
    expect(await cluster.leader()).toBe(target);
    // etcdctl looks for the leader itself among the endpoints that it is given.
    const lost = await cluster.etcdctl([leader], [], ["move-leader", id]);
    expect(lost.stderr).toContain("no leader endpoint given");
  });

  it("member add, update, list, remove", async () => {
    const peerUrl = "--peer-urls=https://10.213.0.99:2380";
    const added = await until("healthy members", () => ctl("member", "add", "extra", peerUrl, "--learner"));
    const id = /^Member +([0-9a-f]+) added to cluster +[0-9a-f]+\n/.exec(added)![1]!;
    expect(await ctl("member", "list")).toMatch(new RegExp(`${id}, unstarted, , https://10.213.0.99:2380, , true`));
    expect(await refused("member", "promote", id)).toContain("can only promote a learner member which is in sync");
    expect(await ctl("member", "update", id, "--peer-urls=https://10.213.0.98:2380")).toMatch(/updated in cluster/);
    expect(await ctl("member", "list")).toMatch(new RegExp(`${id}, unstarted, , https://10.213.0.98:2380, , true`));
    expect(await ctl("member", "remove", id)).toMatch(new RegExp(`^Member +${id} removed from cluster`));
    expect(await refused("member", "remove", id)).toContain("etcdserver: member not found");
    expect((await ctl("member", "list")).match(/, started, /g)).toHaveLength(3);
  });

  it("snapshot save: a file that its tools take for whole", async () => {
    await ctl("put", "saved", "x".repeat(1000));
    const file = join(cluster.dir, "backup.db");
    const said = await cluster.etcdctl([all[0]!], [], ["snapshot", "save", file]);
    expect(said.ok, said.stderr).toBe(true);
    expect(said.stdout).toContain(`Snapshot saved at ${file}`);
    const bytes = readFileSync(file);
    expect(bytes.length % 512).toBe(32);
    expect(createHash("sha256").update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32))).toBe(true);
  });

  it("a full store says so to everybody, and goes on when there is room and the alarm is disarmed", async () => {
    const big = "x".repeat(1_000_000);
    const fill = async (i: number): Promise<string> => {
      try {
        await all[i % 3]!.put(`full/${i}`, big);
        return "ok";
      } catch (error) {
        return (error as Error).message;
      }
    };
    let last = "ok";
    for (let i = 0; i < 12 && last === "ok"; i++) last = await fill(i);
    expect(last).toContain("etcdserver: mvcc: database space exceeded");
    for (let i = 0; i < 3; i++) expect(await fill(i)).toContain("database space exceeded");
    expect(await ctl("alarm", "list")).toMatch(/^memberID:\d+ alarm:NOSPACE \n/);
    expect(await ctl("get", "full/0", "--keys-only")).toContain("full/0");
    expect(Number(await ctl("del", "full/", "--prefix"))).toBeGreaterThan(2);
    const { header } = JSON.parse(await ctl("get", "x", "-w", "json")) as { header: { revision: number } };
    await ctl("compaction", String(header.revision));
    await until("room", async () => {
      const sizes = JSON.parse(await ctl("endpoint", "status", "-w", "json")) as { Status: { dbSize: number } }[];
      return sizes.every(({ Status }) => Status.dbSize < 2_000_000) ? true : undefined;
    });
    expect(await fill(1)).toContain("database space exceeded");
    expect(await ctl("alarm", "disarm")).toMatch(/^memberID:\d+ alarm:NOSPACE \n/);
    expect(await fill(1)).toBe("ok");
  });

  it("metrics: every name that dashboards and alerts ask of an etcd has a value", async () => {
    const [member] = all;
    const scrape = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { ca, operator } = cluster;
        const options = { ca, cert: operator.cert, key: operator.key };
        get(`https://${member!.address}:2381/metrics`, options, (response) => {
          let text = "";
          response.on("data", (data: Buffer) => (text += data.toString()));
          response.on("end", () => resolve(text));
        }).on("error", reject);
      });
    // A stream that ends at once: the counters below must know its kind.
    const unknown = await cluster.etcdctl([member!], [], ["lease", "keep-alive", "--once", "1"]);
    expect(unknown.stderr).toContain("requested lease not found");
    const text = await until("a round trip to each peer", async () => {
      const now = await scrape();
      const trips = now.match(/^etcd_network_peer_round_trip_time_seconds_count\{To="[0-9a-f]+"\} [1-9]/gm);
      return trips?.length === 2 ? now : undefined;
    });
    const missing = METRICS.filter((name) => !new RegExp(`^${name}(\\{.*\\})? [0-9]`, "m").test(text));
    expect(missing).toEqual([]);
    expect(text).toMatch(/^grpc_server_started_total\{.*grpc_method="LeaseKeepAlive",grpc_type="bidi_stream"\} [1-9]/m);
    // A link that never broke has no series yet; the name is there all the same.
    expect(text).toContain("# TYPE etcd_network_peer_sent_failures_total counter");
  });
});
