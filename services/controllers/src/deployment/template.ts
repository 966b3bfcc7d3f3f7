import type { PodTemplateSpec } from "@trireme/api";

/** Label that tells the pods of one template from those of another. */
export const POD_TEMPLATE_HASH = "pod-template-hash";

// The alphabet of Kubernetes' SafeEncodeString: no vowels, so no words.
const SAFE = "bcdfghjklmnpqrstvwxz2456789";

/** Whether two templates ask for the same pods; the hash label, which we add ourselves, does not count. */
export function templatesEqual(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return canonical(a) === canonical(b);
}

/** A short name for a template. Templates that only seem equal get different ones by another collision count. */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  const text = canonical(template) + (collisionCount === undefined ? "" : `#${collisionCount}`);
  return String(fnv1a(text))
    .split("")
    .map((digit) => SAFE[digit.charCodeAt(0) % SAFE.length])
    .join("");
}

function canonical(template: PodTemplateSpec): string {
  const { [POD_TEMPLATE_HASH]: _ignored, ...labels } = template.metadata?.labels ?? {};
  return JSON.stringify(sorted({ ...template, metadata: { ...template.metadata, labels } }));
}

/** The value with sorted keys and without what says nothing: null, undefined, empty maps and lists. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => sorted(item) ?? {});
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const kept = sorted(item);
    if (kept !== undefined) out[key] = kept;
  }
  return Object.keys(out).length === 0 ? undefined : out;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash;
}
