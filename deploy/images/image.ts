import { createHash } from "node:crypto";
import { type TarEntry, packTar } from "./tar.ts";

/** What a container of an image runs, and where. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly exposedPorts?: readonly string[];
}

/** An image of one layer. */
export interface Image {
  /** Repository and tag, e.g. `trireme.local/pause:1`. */
  readonly name: string;
  readonly files: readonly TarEntry[];
  readonly config: ImageConfig;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/**
 * Packs images into one archive that is both docker's (`manifest.json`) and OCI's (`index.json`), sharing the blobs:
 * `ctr`, `docker load` and skopeo all read it.
 */
export function packImages(images: readonly Image[], arch: string): Buffer {
  const blobs = new Map<string, Buffer>();
  const docker: unknown[] = [];
  const manifests: unknown[] = [];
  for (const image of images) {
    const layer = packTar(image.files);
    const config = configOf(image, layer, arch);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: descriptor("application/vnd.oci.image.config.v1+json", config),
        layers: [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
      }),
    );
    for (const blob of [config, manifest, layer]) blobs.set(blobPath(blob), blob);
    docker.push({ Config: blobPath(config), RepoTags: [image.name], Layers: [blobPath(layer)] });
    const annotations = {
      "io.containerd.image.name": image.name,
      "org.opencontainers.image.ref.name": tagOf(image.name),
    };
    manifests.push({ ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest), annotations });
  }
  return packTar([
    jsonFile("oci-layout", { imageLayoutVersion: "1.0.0" }),
    jsonFile("index.json", { schemaVersion: 2, manifests }),
    jsonFile("manifest.json", docker),
    { type: "directory", path: "blobs" },
    { type: "directory", path: "blobs/sha256" },
    ...[...blobs].map(([path, content]): TarEntry => ({ type: "file", path, content })),
  ]);
}

function configOf(image: Image, layer: Uint8Array, arch: string): Buffer {
  const { entrypoint, env, workingDir, exposedPorts } = image.config;
  return Buffer.from(
    JSON.stringify({
      architecture: ARCHITECTURES[arch] ?? arch,
      os: "linux",
      config: {
        Entrypoint: entrypoint,
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...(env ?? [])],
        WorkingDir: workingDir ?? "/",
        ExposedPorts: Object.fromEntries((exposedPorts ?? []).map((port) => [port, {}])),
      },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
      history: [{ created_by: "trireme deploy/images" }],
    }),
  );
}

function jsonFile(path: string, value: unknown): TarEntry {
  return { type: "file", path, content: Buffer.from(JSON.stringify(value)) };
}

function tagOf(name: string): string {
  return name.slice(name.lastIndexOf(":") + 1);
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function blobPath(content: Uint8Array): string {
  return `blobs/sha256/${digestOf(content).slice("sha256:".length)}`;
}

function descriptor(mediaType: string, content: Uint8Array): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: digestOf(content), size: content.length };
}
