import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PersistentVolume, Pod, Volume } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EnvironmentSources } from "../pods/environment.ts";
import { type Volumes, createVolumes } from "./volumes.ts";

const sources: EnvironmentSources = {
  nodeName: "n1",
  hostIP: "10.0.0.1",
  podIP: "",
  allocatable: { cpuMilli: 2000, memoryBytes: 1 << 30 },
  services: new Map(),
  config: () => undefined,
};

let dir = "";
let volumes: Volumes;
let volume: PersistentVolume;
let away = false;
beforeEach(() => {
  away = false;
  dir = mkdtempSync(join(tmpdir(), "trireme-volumes-"));
  volume = {
    metadata: {
      name: "pvc-1",
      labels: { "kubernetes.io/hostname": "n1" },
      annotations: { "pv.kubernetes.io/provisioned-by": "trireme.dev/local-path" },
    },
    spec: { local: { path: join(dir, "local-path", "pvc-1") } },
  };
  volumes = createVolumes({
    root: join(dir, "volumes"),
    config: {
      async get(_, __, name) {
        if (away) throw new TriremeError("ServiceUnavailable", "no server answers");
        return name === "there" ? new Map([["key", Buffer.from("1")]]) : undefined;
      },
    },
    claims: {
      async volumeOf(_, name) {
        if (away) throw new TriremeError("Timeout", "no server answers");
        if (name === "data") return volume;
        throw new TriremeError("NotFound", `error processing PVC ns/${name}: PVC is not bound`);
      },
    },
    node: "n1",
    localPathRoot: join(dir, "local-path"),
  });
});
afterEach(() => rmSync(dir, { recursive: true }));

async function prepare(source: Omit<Volume, "name">): Promise<{ path: string; readOnly: boolean }> {
  const pod: Pod = {
    metadata: { name: "p", namespace: "ns", uid: "uid-1" },
    spec: { containers: [], volumes: [{ name: "v", ...source }] },
  };
  return (await volumes.prepare(pod, sources)).get("v")!;
}

describe("a hostPath", () => {
  it.each(["Directory", "File", "Socket", "CharDevice", "BlockDevice"])("of type %s must be there", async (type) => {
    const path = join(dir, "absent");
    await expect(prepare({ hostPath: { path, type: type as "File" } })).rejects.toThrow(
      `MountVolume.SetUp failed for volume "v" : hostPath type check failed: ${path} is not a `,
    );
    expect(existsSync(path)).toBe(false);
  });

  it("is made where its type says so, and must be what its type says", async () => {
    const [directory, file] = [join(dir, "made"), join(dir, "file")];
    await prepare({ hostPath: { path: directory, type: "DirectoryOrCreate" } });
    await prepare({ hostPath: { path: file, type: "FileOrCreate" } });
    expect([statSync(directory).isDirectory(), statSync(file).isFile()]).toEqual([true, true]);
    await expect(prepare({ hostPath: { path: file, type: "DirectoryOrCreate" } })).rejects.toThrow("not a directory");
    await expect(prepare({ hostPath: { path: directory, type: "File" } })).rejects.toThrow("is not a file");
    expect(await prepare({ hostPath: { path: "/dev/null", type: "CharDevice" } })).toEqual({
      path: "/dev/null",
      readOnly: false,
    });
    const server = createServer().listen(join(dir, "socket"));
    await expect.poll(() => existsSync(join(dir, "socket"))).toBe(true);
    await prepare({ hostPath: { path: join(dir, "socket"), type: "Socket" } });
    server.close();
  });
});

describe("a pod's volumes", () => {
  it("that are empty are everyone's, and keep what is in them when the agent prepares the pod again", async () => {
    const { path } = await prepare({ emptyDir: {} });
    expect(statSync(path).mode & 0o777).toBe(0o777);
    writeFileSync(join(path, "file"), "");
    await prepare({ emptyDir: {} });
    expect(readdirSync(path)).toEqual(["file"]);
    await volumes.remove("uid-1");
    expect(await volumes.uids()).toEqual([]);
  });

  it("that are claims outlive the pod, and are in use until nothing is left of it", async () => {
    const { path, readOnly } = await prepare({ persistentVolumeClaim: { claimName: "data", readOnly: true } });
    expect([path, readOnly]).toEqual([join(dir, "local-path", "pvc-1"), true]);
    expect(statSync(path).mode & 0o777).toBe(0o777);
    writeFileSync(join(path, "file"), "");
    expect([...(await volumes.pathsInUse())]).toEqual([path]);
    await volumes.remove("uid-1");
    expect([...(await volumes.pathsInUse())]).toEqual([]);
    expect(readdirSync(path)).toEqual(["file"]);
  });

  it("stay as they were while no server answers, and are not made up", async () => {
    const claim = { persistentVolumeClaim: { claimName: "data" } };
    const config = { configMap: { name: "there" } };
    away = true;
    await expect(prepare(claim)).rejects.toThrow("no server answers");
    await expect(prepare(config)).rejects.toThrow("no server answers");
    away = false;
    const { path } = await prepare(claim);
    const files = await prepare(config);
    away = true;
    expect((await prepare(claim)).path).toBe(path);
    expect((await prepare(config)).path).toBe(files.path);
    expect(readFileSync(join(files.path, "key"), "utf8")).toBe("1");
  });

  it("whose use can not be read are not taken for unused", async () => {
    await prepare({ persistentVolumeClaim: { claimName: "data" } });
    rmSync(join(dir, "volumes", "uid-1", "claims"), { recursive: true });
    writeFileSync(join(dir, "volumes", "uid-1", "claims"), "no directory");
    await expect(volumes.pathsInUse()).rejects.toThrow("ENOTDIR");
  });

  it("are written by one at a time, so that none removes what another writes", async () => {
    const pod: Pod = {
      metadata: { name: "p", namespace: "ns", uid: "uid-1" },
      spec: { containers: [], volumes: [{ name: "v", configMap: { name: "c" } }] },
    };
    const write = (text: string): Promise<void> =>
      volumes.refresh(pod, sources, () => new Map([["key", Buffer.from(text)]]));
    await Promise.all(["1", "2", "3", "4"].map(write));
    expect(readFileSync(join(dir, "volumes", "uid-1", "volumes", "v", "key"), "utf8")).toBe("4");
    expect(readdirSync(join(dir, "volumes", "uid-1", "volumes", "v"))).toHaveLength(3);
  });

  it("say what is missing in kubelet's words", async () => {
    await expect(prepare({ persistentVolumeClaim: { claimName: "other" } })).rejects.toThrow(
      'MountVolume.SetUp failed for volume "v" : error processing PVC ns/other: PVC is not bound',
    );
    volume = { ...volume, spec: { local: { path: join(dir, "elsewhere") } } };
    await expect(prepare({ persistentVolumeClaim: { claimName: "data" } })).rejects.toThrow("does not exist");
    await expect(prepare({ configMap: { name: "none" } })).rejects.toThrow('configmap "none" not found');
    await expect(prepare({ nfs: { server: "s", path: "/" } })).rejects.toThrow("volumes of kind nfs are not supported");
  });
});
