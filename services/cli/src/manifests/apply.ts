import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject } from "@trireme/api";
import { type ErrorCode, TriremeError, errorFrom, sleep } from "@trireme/base";
import type { ApiClient, RawResponse } from "@trireme/client";
import { parseAnswer } from "../local/api.ts";
import { type ManifestObject, parseManifests } from "./parse.ts";

export type { ManifestObject } from "./parse.ts";

/** What became of one object. */
export interface Applied {
  readonly manifest: ManifestObject;
  readonly result: "created" | "configured" | "unchanged";
  readonly object: KubeObject;
}

/** Who owns the fields that `tri` applies. */
const FIELD_MANAGER = "tri";
const DEFAULT_NAMESPACE = "default";

const MANIFEST = /\.(ya?ml|json)$/;

/** A folder stands for the manifests in it, in the order of their names, as for kubectl; anything else for itself. */
export function manifestFiles(path: string): string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [path];
  const files = readdirSync(path).filter((name) => MANIFEST.test(name));
  if (files.length === 0) throw new TriremeError("NotFound", `${path}: no *.yaml, *.yml or *.json is in this folder`);
  return files.toSorted().map((name) => join(path, name));
}

/** Reads files and folders; every problem of all of them in one error, before anything is sent. */
export function readManifests(paths: readonly string[]): ManifestObject[] {
  const problems: string[] = [];
  const found: ManifestObject[] = [];
  for (const file of paths.flatMap(manifestFiles)) {
    try {
      const name = file === "-" ? "stdin" : file;
      found.push(...parseManifests(name, readFileSync(file === "-" ? 0 : file, "utf8")));
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code;
      problems.push(code === "ENOENT" ? `${file}: there is no such file` : errorFrom(thrown).message);
    }
  }
  if (problems.length > 0) throw new TriremeError("BadRequest", problems.join("\n"));
  return found;
}

/**
 * Applies objects in the order given, after the server has accepted all of them in a dry run: a refusal leaves nothing
 * half-applied. Objects in a namespace that is itself among them are checked as they are applied.
 */
export async function applyManifests(client: ApiClient, manifests: readonly ManifestObject[]): Promise<Applied[]> {
  const made = new Set(
    manifests.filter((it) => it.resource.kind === "Namespace").map((it) => it.object.metadata?.name ?? ""),
  );
  const problems: string[] = [];
  for (const manifest of manifests) {
    if (manifest.resource.namespaced && made.has(namespaceOf(manifest.object))) continue;
    try {
      parseAnswer(await send(client, manifest, true));
    } catch (thrown) {
      problems.push(`${manifest.place}: ${titleOf(manifest)}: ${errorFrom(thrown).message}`);
    }
  }
  if (problems.length > 0) throw new TriremeError("Invalid", `${problems.join("\n")}\nnothing was applied`);
  const applied: Applied[] = [];
  for (const manifest of manifests) {
    try {
      applied.push(await applyOne(client, manifest));
    } catch (thrown) {
      const done =
        applied.length === 0 ? "nothing was" : `${applied.map((it) => titleOf(it.manifest)).join(", ")} were`;
      throw new TriremeError(
        "Invalid",
        `${manifest.place}: ${titleOf(manifest)}: ${errorFrom(thrown).message}\n${done} applied before it`,
        { cause: thrown },
      );
    }
  }
  return applied;
}

/** `deployment.apps/hello`, as kubectl says it. */
export function titleOf(manifest: ManifestObject): string {
  const { singular, group } = manifest.resource;
  return `${singular}${group === "" ? "" : `.${group}`}/${manifest.object.metadata?.name ?? ""}`;
}

/** The namespace that an object belongs to. */
export function namespaceOf(object: KubeObject): string {
  return object.metadata?.namespace ?? DEFAULT_NAMESPACE;
}

/** Where an object is on the API. */
export function pathOf(manifest: ManifestObject): string {
  const { resource, object } = manifest;
  const prefix = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced ? `/namespaces/${encodeURIComponent(namespaceOf(object))}` : "";
  return `${prefix}${scope}/${resource.resource}/${encodeURIComponent(object.metadata?.name ?? "")}`;
}

async function applyOne(client: ApiClient, manifest: ManifestObject): Promise<Applied> {
  const before = await client.raw("GET", pathOf(manifest));
  const object = parseAnswer<KubeObject>(await send(client, manifest, false));
  if (before.status !== 200) return { manifest, result: "created", object };
  const old = JSON.parse(before.body.toString()) as KubeObject;
  const same = old.metadata?.resourceVersion === object.metadata?.resourceVersion;
  return { manifest, result: same ? "unchanged" : "configured", object };
}

/** A server may go away at any moment; applying the same again is harmless, so patience is enough. */
const SEND_WITHIN_MS = 20_000;
const RETRY_MS = 200;
const PASSING: ReadonlySet<ErrorCode> = new Set(["Unknown", "ServiceUnavailable", "Timeout", "TooManyRequests"]);

async function send(client: ApiClient, manifest: ManifestObject, dryRun: boolean): Promise<RawResponse> {
  const query = new URLSearchParams({ fieldManager: FIELD_MANAGER, force: "true", fieldValidation: "Strict" });
  if (dryRun) query.set("dryRun", "All");
  const deadline = performance.now() + SEND_WITHIN_MS;
  for (;;) {
    try {
      const response = await client.raw("PATCH", `${pathOf(manifest)}?${query.toString()}`, {
        body: manifest.object,
        headers: { "content-type": "application/apply-patch+yaml" },
      });
      if (response.status < 500 || performance.now() > deadline) return response;
    } catch (thrown) {
      if (!PASSING.has(errorFrom(thrown).code) || performance.now() > deadline) throw thrown;
    }
    await sleep(RETRY_MS);
  }
}

/** Names what was applied, for messages. */
export function describeApplied(applied: Applied): string {
  const where = applied.manifest.resource.namespaced ? ` (${namespaceOf(applied.object)})` : "";
  return `${titleOf(applied.manifest)} ${applied.result}${where === " (default)" ? "" : where}`;
}
