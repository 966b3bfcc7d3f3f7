import type { ImageConfig } from "./image.ts";

/**
 * What an image is made of. A folder of manifests that needs images of its own holds a file `images.ts`, which exports
 * `images: ImageRecipe[]`; `tri up -f FOLDER` builds them and loads them onto the nodes. Paths of sources are relative
 * to that folder, paths inside images have no leading slash.
 */
export interface ImageRecipe {
  /** Repository and tag, e.g. `trireme.local/blog-backend:1`. */
  readonly name: string;
  /** Lowest first. Images that begin with the same layers share them, on disk and on the nodes. */
  readonly layers: readonly LayerRecipe[];
  readonly config: ImageConfig;
}

export type LayerRecipe = DebianLayer | BundleLayer | FilesLayer;

/**
 * The files of Debian packages and of all that they depend on, except what layers below already hold. Packages are
 * unpacked and not installed: no script of theirs runs. Documentation, translations and service files are left out.
 */
export interface DebianLayer {
  readonly from: "debian";
  readonly packages: readonly string[];
  /** Dependencies that the image's programs do not use, with all that only they would bring. */
  readonly without?: readonly string[];
  /** Paths, as `*` patterns, that the image's programs do not use. */
  readonly drop?: readonly string[];
}

/** A TypeScript program and the npm packages that it imports, as one file for the image's Node. */
export interface BundleLayer {
  readonly from: "bundle";
  readonly entry: string;
  readonly to: string;
  /** esbuild's name of the image's Node, e.g. `node18`. */
  readonly target: string;
}

/** Files and folders of the source, links, and empty folders. */
export interface FilesLayer {
  readonly from: "files";
  /** From the path in the image to the source's; a folder with all that is in it. */
  readonly copy?: Readonly<Record<string, string>>;
  /** From the path in the image to what the link says. */
  readonly links?: Readonly<Record<string, string>>;
  readonly folders?: Readonly<Record<string, number>>;
  /** From the path in the image to its text. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Paths in the image that can be executed. */
  readonly executable?: readonly string[];
}
