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

/** Packs an image as an archive that is both: docker's (`manifest.json`) and OCI's (`index.json`), sharing the blobs. */
export function packImage(image: Image, arch: string): Buffer {
  const layer = packTar(image.files);
  const config = Buffer.from(
    JSON.stringify({
      architecture: ARCHITECTURES[arch] ?? arch,
      os: "linux",
      config: {
        Entrypoint: image.config.entrypoint,
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...(image.config.env ?? [])],
        WorkingDir: image.config.workingDir ?? "/",
        ExposedPorts: Object.fromEntries((image.config.exposedPorts ?? []).map((port) => [port, {}])),
      },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
      history: [{ created_by: "trireme deploy/images" }],
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: descriptor("application/vnd.oci.image.config.v1+json", config),
      layers: [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }),
  );
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest),
        annotations: { "io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": tagOf(image.name) },
      },
    ],
  };
  const docker = [{ Config: blobPath(config), RepoTags: [image.name], Layers: [blobPath(layer)] }];
  const json = (path: string, value: unknown): TarEntry => ({
    type: "file",
    path,
    content: Buffer.from(JSON.stringify(value)),
  });
  return packTar([
    json("oci-layout", { imageLayoutVersion: "1.0.0" }),
    json("index.json", index),
    json("manifest.json", docker),
    { type: "directory", path: "blobs" },
    { type: "directory", path: "blobs/sha256" },
    ...[config, manifest, layer].map((content): TarEntry => ({ type: "file", path: blobPath(content), content })),
  ]);
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
