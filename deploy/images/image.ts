import { createHash } from "node:crypto";
import { type TarEntry, packTar, tarChunks } from "./tar.ts";

/** What a container of an image runs, and where. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly exposedPorts?: readonly string[];
  /** Who the process is, `uid:gid`; root unless given. */
  readonly user?: string;
  /** What asks the process to end, e.g. `SIGQUIT`; SIGTERM unless given. */
  readonly stopSignal?: string;
  /** Folders that are kept apart from the container, as volumes. */
  readonly volumes?: readonly string[];
  readonly healthcheck?: Healthcheck;
}

/** How docker asks a container whether it works; orchestrators have probes instead. */
export interface Healthcheck {
  /** `CMD` and a command, which exits with 0 when all is well. */
  readonly test: readonly string[];
  readonly intervalNs: number;
  readonly timeoutNs: number;
  /** So long failures do not count. */
  readonly startPeriodNs: number;
  readonly retries: number;
}

/** One uncompressed tar archive of an image's files. Images share layers by digest. */
export interface Layer {
  readonly digest: string;
  readonly size: number;
  read(): Uint8Array;
}

export interface Image {
  /** Repository and tag, e.g. `trireme.local/pause:1`. */
  readonly name: string;
  /** Lowest first. */
  readonly layers: readonly Layer[];
  readonly config: ImageConfig;
}

/** A layer that is held in memory: for small ones. */
export function layerOf(files: Iterable<TarEntry>): Layer {
  const tar = packTar(files);
  return { digest: digestOf(tar), size: tar.length, read: () => tar };
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** The digest under which an image is known once it is loaded: its OCI manifest's. */
export function imageDigest(image: Image, arch: string): string {
  return digestOf(manifestOf(image, configOf(image, arch)));
}

/** The images' archive as one buffer; see {@link archiveChunks}. */
export function packImages(images: readonly Image[], arch: string): Buffer {
  return Buffer.concat([...archiveChunks(images, arch)]);
}

/**
 * Images as one archive that is both docker's (`manifest.json`) and OCI's (`index.json`), sharing the blobs: `ctr`,
 * `docker load` and skopeo all read it. One layer at a time is in memory.
 */
export function archiveChunks(images: readonly Image[], arch: string): Generator<Uint8Array> {
  const blobs = new Map<string, () => Uint8Array>();
  const docker: unknown[] = [];
  const manifests: unknown[] = [];
  for (const image of images) {
    const config = configOf(image, arch);
    const manifest = manifestOf(image, config);
    for (const blob of [config, manifest]) blobs.set(blobPath(digestOf(blob)), () => blob);
    for (const layer of image.layers) blobs.set(blobPath(layer.digest), () => layer.read());
    docker.push({
      Config: blobPath(digestOf(config)),
      RepoTags: [image.name],
      Layers: image.layers.map((layer) => blobPath(layer.digest)),
    });
    const annotations = {
      "io.containerd.image.name": image.name,
      "org.opencontainers.image.ref.name": tagOf(image.name),
    };
    manifests.push({ ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest), annotations });
  }
  return tarChunks(archiveEntries(docker, manifests, blobs));
}

function* archiveEntries(
  docker: readonly unknown[],
  manifests: readonly unknown[],
  blobs: ReadonlyMap<string, () => Uint8Array>,
): Generator<TarEntry> {
  yield jsonFile("oci-layout", { imageLayoutVersion: "1.0.0" });
  yield jsonFile("index.json", { schemaVersion: 2, manifests });
  yield jsonFile("manifest.json", docker);
  yield { type: "directory", path: "blobs" };
  yield { type: "directory", path: "blobs/sha256" };
  for (const [path, read] of blobs) yield { type: "file", path, content: read() };
}

function manifestOf(image: Image, config: Uint8Array): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: descriptor("application/vnd.oci.image.config.v1+json", config),
      layers: image.layers.map(({ digest, size }) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest,
        size,
      })),
    }),
  );
}

function configOf(image: Image, arch: string): Buffer {
  const { entrypoint, env, workingDir, exposedPorts, user, stopSignal, volumes, healthcheck } = image.config;
  return Buffer.from(
    JSON.stringify({
      architecture: ARCHITECTURES[arch] ?? arch,
      os: "linux",
      config: {
        Entrypoint: entrypoint,
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...(env ?? [])],
        WorkingDir: workingDir ?? "/",
        ExposedPorts: Object.fromEntries((exposedPorts ?? []).map((port) => [port, {}])),
        ...(user === undefined ? {} : { User: user }),
        ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
        ...(volumes === undefined ? {} : { Volumes: Object.fromEntries(volumes.map((path) => [path, {}])) }),
        ...(healthcheck === undefined ? {} : { Healthcheck: healthcheckOf(healthcheck) }),
      },
      rootfs: { type: "layers", diff_ids: image.layers.map((layer) => layer.digest) },
      history: image.layers.map(() => ({ created_by: "trireme deploy/images" })),
    }),
  );
}

function healthcheckOf({ test, intervalNs, timeoutNs, startPeriodNs, retries }: Healthcheck) {
  return { Test: test, Interval: intervalNs, Timeout: timeoutNs, StartPeriod: startPeriodNs, Retries: retries };
}

function jsonFile(path: string, value: unknown): TarEntry {
  return { type: "file", path, content: Buffer.from(JSON.stringify(value)) };
}

function tagOf(name: string): string {
  return name.slice(name.lastIndexOf(":") + 1);
}

/** `sha256:` and the hex of a content's hash. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice("sha256:".length)}`;
}

function descriptor(mediaType: string, content: Uint8Array): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: digestOf(content), size: content.length };
}
