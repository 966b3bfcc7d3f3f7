/** Classes of storage. Each name is a schema and the type of its values. */
import { type Infer, bool, list, map, packageOf, ref, str } from "./notation.ts";
import { TopologySelectorTerm } from "./core-storage.ts";
import { ObjectMeta } from "./meta.ts";

const storage = packageOf("io.k8s.api.storage.v1", "storage.k8s.io", "v1");

export const StorageClass = storage.kind("StorageClass", {
  metadata: ref(1, ObjectMeta).always(),
  provisioner: str(2).required(),
  parameters: map(3, "string"),
  reclaimPolicy: str(4).oneOf("Retain", "Recycle", "Delete"),
  mountOptions: list(5, "string"),
  allowVolumeExpansion: bool(6).explicit(),
  volumeBindingMode: str(7).oneOf("Immediate", "WaitForFirstConsumer"),
  allowedTopologies: list(8, TopologySelectorTerm),
});
export interface StorageClass extends Infer<typeof StorageClass> {}
