import type { DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { EnvironmentSources, KeyValues } from "../pods/environment.ts";
import { fieldOf, resourceFieldOf } from "../pods/environment.ts";

/** A ConfigMap or Secret that a pod's volumes name. */
export interface ConfigNeed {
  readonly kind: "ConfigMap" | "Secret";
  readonly name: string;
}

/** One file of a volume, its path relative to the volume's top. */
export interface ProjectedFile {
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
}

const DEFAULT_MODE = 0o644;

/** Whether the agent writes a volume's files itself: such volumes are read-only in containers. */
export function isProjected(volume: Volume): boolean {
  return [volume.configMap, volume.secret, volume.downwardAPI, volume.projected].some((source) => source !== undefined);
}

/** The ConfigMaps and Secrets that a pod's volumes name, each once. */
export function configNeeds(pod: Pod): ConfigNeed[] {
  const needs = new Map<string, ConfigNeed>();
  const add = (kind: ConfigNeed["kind"], name: string | undefined): void => {
    if (name) needs.set(`${kind}/${name}`, { kind, name });
  };
  for (const volume of pod.spec.volumes ?? []) {
    add("ConfigMap", volume.configMap?.name);
    add("Secret", volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      add("ConfigMap", source.configMap?.name);
      add("Secret", source.secret?.name);
    }
  }
  return [...needs.values()];
}

/** Where the data of ConfigMaps and Secrets is looked up; undefined: there is no such object. */
export type ConfigLookup = (need: ConfigNeed) => KeyValues | undefined;

/** The tokens that a volume wants, each with what it is for. */
export function tokenNeeds(volume: Volume): ServiceAccountTokenProjection[] {
  return (volume.projected?.sources ?? []).flatMap((source) => source.serviceAccountToken ?? []);
}

/** The files of a volume of {@link isProjected}. Pure. Throws an error whose message names what is missing. */
export function payloadOf(
  volume: Volume,
  pod: Pod,
  sources: EnvironmentSources,
  lookup: ConfigLookup,
  tokenOf: (want: ServiceAccountTokenProjection) => string,
): readonly ProjectedFile[] {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) {
    const mode = configMap.defaultMode ?? DEFAULT_MODE;
    return fromConfig({ kind: "ConfigMap", name: configMap.name ?? "" }, configMap, mode, lookup);
  }
  if (secret !== undefined) {
    const mode = secret.defaultMode ?? DEFAULT_MODE;
    return fromConfig({ kind: "Secret", name: secret.secretName ?? "" }, secret, mode, lookup);
  }
  if (downwardAPI !== undefined) {
    return fromPod(downwardAPI.items ?? [], downwardAPI.defaultMode ?? DEFAULT_MODE, pod, sources);
  }
  const mode = projected?.defaultMode ?? DEFAULT_MODE;
  return (projected?.sources ?? []).flatMap((source) => {
    if (source.configMap !== undefined) {
      return fromConfig({ kind: "ConfigMap", name: source.configMap.name ?? "" }, source.configMap, mode, lookup);
    }
    if (source.secret !== undefined) {
      return fromConfig({ kind: "Secret", name: source.secret.name ?? "" }, source.secret, mode, lookup);
    }
    if (source.downwardAPI !== undefined) return fromPod(source.downwardAPI.items ?? [], mode, pod, sources);
    if (source.serviceAccountToken !== undefined) {
      const { path } = source.serviceAccountToken;
      return [{ path, mode, data: Buffer.from(tokenOf(source.serviceAccountToken)) }];
    }
    const kind = Object.keys(source)[0] ?? "nothing";
    throw new TriremeError("Invalid", `projected sources of kind ${kind} are not supported by this cluster yet`);
  });
}

function fromConfig(
  need: ConfigNeed,
  { items, optional = false }: { readonly items?: readonly KeyToPath[]; readonly optional?: boolean },
  mode: number,
  lookup: ConfigLookup,
): ProjectedFile[] {
  const data = lookup(need);
  if (data === undefined && !optional) {
    throw new TriremeError("NotFound", `${need.kind.toLowerCase()} "${need.name}" not found`);
  }
  if (items === undefined || items.length === 0) {
    return [...(data ?? [])].map(([path, value]) => ({ path, mode, data: value }));
  }
  return items.flatMap((item) => {
    const value = data?.get(item.key);
    if (value !== undefined) return [{ path: item.path, mode: item.mode ?? mode, data: value }];
    if (optional) return [];
    const what = need.kind === "Secret" ? "secret" : "config";
    throw new TriremeError("NotFound", `references non-existent ${what} key: ${item.key}`);
  });
}

function fromPod(
  items: readonly DownwardAPIVolumeFile[],
  mode: number,
  pod: Pod,
  sources: EnvironmentSources,
): ProjectedFile[] {
  return items.map((item) => {
    const text =
      item.fieldRef === undefined
        ? resourceFieldOf(pod, item.resourceFieldRef ?? { resource: "" }, sources)
        : fieldOf(pod, item.fieldRef.fieldPath, sources);
    return { path: item.path, mode: item.mode ?? mode, data: Buffer.from(text) };
  });
}
