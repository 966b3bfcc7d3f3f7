import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { planCluster } from "../plan/cluster-plan.ts";
import { cgroupRoots, createCgroup, processesIn, removeCgroup } from "./cgroups.ts";
import { parseImageList } from "./images.ts";
import { environmentOf } from "./keeper.ts";
import { createProgress } from "./progress.ts";
import { tryLock } from "./state.ts";
import { statusOf } from "./status.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-local-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("tryLock", () => {
  it("lets one hold a name at a time", async () => {
    const name = `test-${process.pid}`;
    const release = await tryLock(name);
    expect(release).toBeDefined();
    expect(await tryLock(name)).toBeUndefined();
    release?.();
    const again = await tryLock(name);
    expect(again).toBeDefined();
    again?.();
  });
});

describe("parseImageList", () => {
  it("reads name and digest of each image", () => {
    const text = `REF TYPE DIGEST SIZE PLATFORMS LABELS
trireme.local/hello:1 application/vnd.oci.image.manifest.v1+json sha256:${"a".repeat(64)} 2.0 MiB linux/amd64 io.cri-containerd.image=managed
`;
    expect([...parseImageList(text)]).toEqual([["trireme.local/hello:1", `sha256:${"a".repeat(64)}`]]);
    expect(parseImageList("").size).toBe(0);
  });
});

describe("cgroups", () => {
  it("finds the hierarchies of version 1, of version 2, and of both", () => {
    const v1 = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
    const v2 = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
    expect(cgroupRoots(`tmpfs /sys/fs/cgroup tmpfs rw 0 0\n${v1}${v2}`)).toEqual([
      "/sys/fs/cgroup/memory",
      "/sys/fs/cgroup/cpu",
      "/sys/fs/cgroup/unified",
    ]);
  });

  it("gives a version 2 group its parent's controllers, and takes it away again", () => {
    const root = join(dir, "unified");
    mkdirSync(root);
    writeFileSync(join(root, "cgroup.controllers"), "memory\n");
    writeFileSync(join(root, "cgroup.subtree_control"), "");
    createCgroup("/trireme/x", [root]);
    expect(readFileSync(join(root, "cgroup.subtree_control"), "utf8")).toBe("+memory");
    expect(existsSync(join(root, "trireme", "x"))).toBe(true);
    removeCgroup("/trireme", [root]);
    expect(existsSync(join(root, "trireme"))).toBe(false);
  });

  it("weigh more than one process beside everything else, and the same among themselves", () => {
    const root = join(dir, "weights");
    for (const group of ["trireme", "trireme/x"]) {
      mkdirSync(join(root, group), { recursive: true });
      writeFileSync(join(root, group, "cpu.shares"), "1024");
    }
    createCgroup("/trireme/x", [root]);
    expect(readFileSync(join(root, "trireme/cpu.shares"), "utf8")).toBe("8192");
    expect(readFileSync(join(root, "trireme/x/cpu.shares"), "utf8")).toBe("1024");
  });

  it("gathers processes of a group and all below it, once each", () => {
    const group = join(dir, "a", "trireme", "x", "y");
    mkdirSync(group, { recursive: true });
    writeFileSync(join(dir, "a", "trireme", "x", "cgroup.procs"), "11\n12\n");
    writeFileSync(join(group, "cgroup.procs"), "12\n13\n0\n");
    writeFileSync(join(dir, "a", "trireme", "cgroup.procs"), "10\n");
    expect([...processesIn("/trireme/x", [join(dir, "a")])]).toEqual([11, 12, 13]);
    expect(processesIn("/trireme/none", [join(dir, "a")]).size).toBe(0);
  });
});

describe("statusOf", () => {
  it("has the shape that scripts rely on, with null for what does not run", () => {
    const shape = { name: "s", index: 3, servers: 1, nodes: 1, httpsPort: 6443, grpcPort: 6444 };
    const status = statusOf(planCluster(shape, dir), {
      leaders: new Set(["server1"]),
      elections: { relay: "server1" },
    });
    expect(status).toEqual({
      kubeconfig: `${dir}/s/admin.kubeconfig`,
      apiAddress: "https://127.0.0.1:6443",
      grpcAddress: "127.0.0.1:6444",
      servers: [
        {
          name: "server1",
          address: "172.30.3.11",
          netns: "tri-s-server1",
          leader: true,
          pids: { supervisor: null, store: null, control: null, nats: null },
          endpoints: {
            etcd: "172.30.3.11:2379",
            https: "172.30.3.11:6443",
            grpc: "172.30.3.11:6444",
            metrics: "172.30.3.11:6445",
          },
        },
      ],
      nodes: [
        {
          name: "node1",
          address: "172.30.3.21",
          netns: "tri-s-node1",
          pids: { supervisor: null, agent: null, containerd: null, dns: null },
          criSocket: `${dir}/s/hosts/node1/containerd/containerd.sock`,
        },
      ],
      balancer: { pid: null, address: "127.0.0.1:6443" },
      elections: { relay: "server1" },
      etcd: {
        endpoints: ["172.30.3.11:2379"],
        cacert: `${dir}/s/pki/store-ca.crt`,
        cert: `${dir}/s/pki/operator.crt`,
        key: `${dir}/s/pki/operator.key`,
      },
    });
  });
});

describe("environmentOf", () => {
  it("passes on what processes need, and nothing that surprises", () => {
    const env = { PATH: "/bin", https_proxy: "p", TRIREME_PLANT_THROW: "x:y", NODE_EXTRA_CA_CERTS: "/ca", SECRET: "s" };
    expect(environmentOf({ ...env, HOME: undefined })).toEqual({
      PATH: "/bin",
      https_proxy: "p",
      TRIREME_PLANT_THROW: "x:y",
    });
  });
});

describe("createProgress", () => {
  it("tells what failed and passes the error on", async () => {
    const lines: string[] = [];
    const progress = createProgress((line) => void lines.push(line));
    await expect(progress.step("a thing", () => Promise.reject(new Error("broke\nbadly")))).rejects.toThrow("broke");
    expect(lines.join("")).toMatch(/^ {2}a thing: failed after 0\.\d s: broke\n$/);
  });
});
