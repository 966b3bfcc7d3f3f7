import { type ObjectMeta, type OwnerReference, type Pod, type PodTemplateSpec } from "@trireme/api";
import type { Prng } from "@trireme/base";

// Kubernetes' alphabet for generated names: no vowels, so no words; no digits that look like letters.
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
// A pod's name becomes its host name, a label of at most 63 characters.
const MAX_BASE_LENGTH = 63 - SUFFIX_LENGTH;

/**
 * A new pod of an owner. The name is chosen here, not by the API: if the answer to the creation is lost, the pod can be
 * asked for by name instead of being created twice.
 */
export function podFromTemplate(
  owner: { readonly name: string; readonly namespace: string; readonly reference: OwnerReference },
  template: PodTemplateSpec,
  prng: Prng,
): Pod {
  const base = `${owner.name}-`.slice(0, MAX_BASE_LENGTH);
  const metadata: ObjectMeta = {
    name: base + randomSuffix(prng),
    generateName: base,
    namespace: owner.namespace,
    ownerReferences: [owner.reference],
  };
  if (template.metadata?.labels !== undefined) metadata.labels = template.metadata.labels;
  if (template.metadata?.annotations !== undefined) metadata.annotations = template.metadata.annotations;
  if (template.metadata?.finalizers !== undefined) metadata.finalizers = template.metadata.finalizers;
  return { apiVersion: "v1", kind: "Pod", metadata, spec: template.spec };
}

/** Five letters for a generated name. */
export function randomSuffix(prng: Prng): string {
  let suffix = "";
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += ALPHABET[prng.int(0, ALPHABET.length - 1)];
  return suffix;
}
