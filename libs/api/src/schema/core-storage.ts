/** PersistentVolumes and claims. Each name is a schema and the type of its values. */
import { type Infer, bool, inline, int32, list, map, packageOf, ref, str, time } from "./notation.ts";
import { NodeSelector, ObjectReference } from "./core-reference.ts";
import {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  HostPathVolumeSource,
  NFSVolumeSource,
  PersistentVolumeClaimSpec,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from "./core-volume.ts";
import { ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const PersistentVolumeClaimCondition = core("PersistentVolumeClaimCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastProbeTime: time(3),
  lastTransitionTime: time(4),
  reason: str(5),
  message: str(6),
});
export interface PersistentVolumeClaimCondition extends Infer<typeof PersistentVolumeClaimCondition> {}

export const ModifyVolumeStatus = core("ModifyVolumeStatus", {
  targetVolumeAttributesClassName: str(1),
  status: str(2).required(),
});
export interface ModifyVolumeStatus extends Infer<typeof ModifyVolumeStatus> {}

export const PersistentVolumeClaimStatus = core("PersistentVolumeClaimStatus", {
  phase: str(1),
  accessModes: list(2, "string"),
  capacity: map(3, "quantity"),
  conditions: list(4, PersistentVolumeClaimCondition).by("type"),
  allocatedResources: map(5, "quantity"),
  allocatedResourceStatuses: map(7, "string"),
  currentVolumeAttributesClassName: str(8),
  modifyVolumeStatus: ref(9, ModifyVolumeStatus),
});
export interface PersistentVolumeClaimStatus extends Infer<typeof PersistentVolumeClaimStatus> {}

export const PersistentVolumeClaim = core.kind("PersistentVolumeClaim", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, PersistentVolumeClaimSpec).always(),
  status: ref(3, PersistentVolumeClaimStatus),
});
export interface PersistentVolumeClaim extends Infer<typeof PersistentVolumeClaim> {}

export const AzureFilePersistentVolumeSource = core("AzureFilePersistentVolumeSource", {
  secretName: str(1).required(),
  shareName: str(2).required(),
  readOnly: bool(3),
  secretNamespace: str(4),
});
export interface AzureFilePersistentVolumeSource extends Infer<typeof AzureFilePersistentVolumeSource> {}

export const SecretReference = core.atomic("SecretReference", {
  name: str(1),
  namespace: str(2),
});
export interface SecretReference extends Infer<typeof SecretReference> {}

export const CephFSPersistentVolumeSource = core("CephFSPersistentVolumeSource", {
  monitors: list(1, "string").required(),
  path: str(2),
  user: str(3),
  secretFile: str(4),
  secretRef: ref(5, SecretReference),
  readOnly: bool(6),
});
export interface CephFSPersistentVolumeSource extends Infer<typeof CephFSPersistentVolumeSource> {}

export const CinderPersistentVolumeSource = core("CinderPersistentVolumeSource", {
  volumeID: str(1).required(),
  fsType: str(2),
  readOnly: bool(3),
  secretRef: ref(4, SecretReference),
});
export interface CinderPersistentVolumeSource extends Infer<typeof CinderPersistentVolumeSource> {}

export const CSIPersistentVolumeSource = core("CSIPersistentVolumeSource", {
  driver: str(1).required(),
  volumeHandle: str(2).required(),
  readOnly: bool(3),
  fsType: str(4),
  volumeAttributes: map(5, "string"),
  controllerPublishSecretRef: ref(6, SecretReference),
  nodeStageSecretRef: ref(7, SecretReference),
  nodePublishSecretRef: ref(8, SecretReference),
  controllerExpandSecretRef: ref(9, SecretReference),
  nodeExpandSecretRef: ref(10, SecretReference),
});
export interface CSIPersistentVolumeSource extends Infer<typeof CSIPersistentVolumeSource> {}

export const FlexPersistentVolumeSource = core("FlexPersistentVolumeSource", {
  driver: str(1).required(),
  fsType: str(2),
  secretRef: ref(3, SecretReference),
  readOnly: bool(4),
  options: map(5, "string"),
});
export interface FlexPersistentVolumeSource extends Infer<typeof FlexPersistentVolumeSource> {}

export const GlusterfsPersistentVolumeSource = core("GlusterfsPersistentVolumeSource", {
  endpoints: str(1).required(),
  path: str(2).required(),
  readOnly: bool(3),
  endpointsNamespace: str(4),
});
export interface GlusterfsPersistentVolumeSource extends Infer<typeof GlusterfsPersistentVolumeSource> {}

export const ISCSIPersistentVolumeSource = core("ISCSIPersistentVolumeSource", {
  targetPortal: str(1).required(),
  iqn: str(2).required(),
  lun: int32(3).required(),
  iscsiInterface: str(4),
  fsType: str(5),
  readOnly: bool(6),
  portals: list(7, "string"),
  chapAuthDiscovery: bool(8),
  secretRef: ref(10, SecretReference),
  chapAuthSession: bool(11),
  initiatorName: str(12),
});
export interface ISCSIPersistentVolumeSource extends Infer<typeof ISCSIPersistentVolumeSource> {}

export const LocalVolumeSource = core("LocalVolumeSource", {
  path: str(1).required(),
  fsType: str(2),
});
export interface LocalVolumeSource extends Infer<typeof LocalVolumeSource> {}

export const RBDPersistentVolumeSource = core("RBDPersistentVolumeSource", {
  monitors: list(1, "string").required(),
  image: str(2).required(),
  fsType: str(3),
  pool: str(4),
  user: str(5),
  keyring: str(6),
  secretRef: ref(7, SecretReference),
  readOnly: bool(8),
});
export interface RBDPersistentVolumeSource extends Infer<typeof RBDPersistentVolumeSource> {}

export const ScaleIOPersistentVolumeSource = core("ScaleIOPersistentVolumeSource", {
  gateway: str(1).required(),
  system: str(2).required(),
  secretRef: ref(3, SecretReference).required(),
  sslEnabled: bool(4),
  protectionDomain: str(5),
  storagePool: str(6),
  storageMode: str(7),
  volumeName: str(8),
  fsType: str(9),
  readOnly: bool(10),
});
export interface ScaleIOPersistentVolumeSource extends Infer<typeof ScaleIOPersistentVolumeSource> {}

export const StorageOSPersistentVolumeSource = core("StorageOSPersistentVolumeSource", {
  volumeName: str(1),
  volumeNamespace: str(2),
  fsType: str(3),
  readOnly: bool(4),
  secretRef: ref(5, ObjectReference),
});
export interface StorageOSPersistentVolumeSource extends Infer<typeof StorageOSPersistentVolumeSource> {}

export const PersistentVolumeSource = core("PersistentVolumeSource", {
  gcePersistentDisk: ref(1, GCEPersistentDiskVolumeSource),
  awsElasticBlockStore: ref(2, AWSElasticBlockStoreVolumeSource),
  hostPath: ref(3, HostPathVolumeSource),
  glusterfs: ref(4, GlusterfsPersistentVolumeSource),
  nfs: ref(5, NFSVolumeSource),
  rbd: ref(6, RBDPersistentVolumeSource),
  iscsi: ref(7, ISCSIPersistentVolumeSource),
  cinder: ref(8, CinderPersistentVolumeSource),
  cephfs: ref(9, CephFSPersistentVolumeSource),
  fc: ref(10, FCVolumeSource),
  flocker: ref(11, FlockerVolumeSource),
  flexVolume: ref(12, FlexPersistentVolumeSource),
  azureFile: ref(13, AzureFilePersistentVolumeSource),
  vsphereVolume: ref(14, VsphereVirtualDiskVolumeSource),
  quobyte: ref(15, QuobyteVolumeSource),
  azureDisk: ref(16, AzureDiskVolumeSource),
  photonPersistentDisk: ref(17, PhotonPersistentDiskVolumeSource),
  portworxVolume: ref(18, PortworxVolumeSource),
  scaleIO: ref(19, ScaleIOPersistentVolumeSource),
  local: ref(20, LocalVolumeSource),
  storageos: ref(21, StorageOSPersistentVolumeSource),
  csi: ref(22, CSIPersistentVolumeSource),
});
export interface PersistentVolumeSource extends Infer<typeof PersistentVolumeSource> {}

export const VolumeNodeAffinity = core("VolumeNodeAffinity", {
  required: ref(1, NodeSelector),
});
export interface VolumeNodeAffinity extends Infer<typeof VolumeNodeAffinity> {}

export const PersistentVolumeSpec = core("PersistentVolumeSpec", {
  ...inline(2, PersistentVolumeSource),
  capacity: map(1, "quantity"),
  accessModes: list(3, "string"),
  claimRef: ref(4, ObjectReference),
  persistentVolumeReclaimPolicy: str(5).oneOf("Retain", "Recycle", "Delete"),
  storageClassName: str(6),
  mountOptions: list(7, "string"),
  volumeMode: str(8),
  nodeAffinity: ref(9, VolumeNodeAffinity),
  volumeAttributesClassName: str(10),
});
export interface PersistentVolumeSpec extends Infer<typeof PersistentVolumeSpec> {}

export const PersistentVolumeStatus = core("PersistentVolumeStatus", {
  phase: str(1),
  message: str(2),
  reason: str(3),
  lastPhaseTransitionTime: time(4),
});
export interface PersistentVolumeStatus extends Infer<typeof PersistentVolumeStatus> {}

export const PersistentVolume = core.kind("PersistentVolume", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, PersistentVolumeSpec).always(),
  status: ref(3, PersistentVolumeStatus),
});
export interface PersistentVolume extends Infer<typeof PersistentVolume> {}

export const TopologySelectorLabelRequirement = core("TopologySelectorLabelRequirement", {
  key: str(1).required(),
  values: list(2, "string").required(),
});
export interface TopologySelectorLabelRequirement extends Infer<typeof TopologySelectorLabelRequirement> {}

export const TopologySelectorTerm = core.atomic("TopologySelectorTerm", {
  matchLabelExpressions: list(1, TopologySelectorLabelRequirement),
});
export interface TopologySelectorTerm extends Infer<typeof TopologySelectorTerm> {}
