/**
 * Volumes and their sources. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import {
  type Infer,
  bool,
  inline,
  int32,
  int64,
  list,
  map,
  packageOf,
  quantity,
  ref,
  str,
  templateOf,
} from "./notation.ts";
import {
  KeyToPath,
  LocalObjectReference,
  ObjectFieldSelector,
  ResourceFieldSelector,
  TypedLocalObjectReference,
  TypedObjectReference,
} from "./core-reference.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const AWSElasticBlockStoreVolumeSource = core("AWSElasticBlockStoreVolumeSource", {
  volumeID: str(1).required(),
  fsType: str(2),
  partition: int32(3),
  readOnly: bool(4),
});
export interface AWSElasticBlockStoreVolumeSource extends Infer<typeof AWSElasticBlockStoreVolumeSource> {}

export const AzureDiskVolumeSource = core("AzureDiskVolumeSource", {
  diskName: str(1).required(),
  diskURI: str(2).required(),
  cachingMode: str(3),
  fsType: str(4),
  readOnly: bool(5).explicit(),
  kind: str(6),
});
export interface AzureDiskVolumeSource extends Infer<typeof AzureDiskVolumeSource> {}

export const AzureFileVolumeSource = core("AzureFileVolumeSource", {
  secretName: str(1).required(),
  shareName: str(2).required(),
  readOnly: bool(3),
});
export interface AzureFileVolumeSource extends Infer<typeof AzureFileVolumeSource> {}

export const CephFSVolumeSource = core("CephFSVolumeSource", {
  monitors: list(1, "string").required(),
  path: str(2),
  user: str(3),
  secretFile: str(4),
  secretRef: ref(5, LocalObjectReference),
  readOnly: bool(6),
});
export interface CephFSVolumeSource extends Infer<typeof CephFSVolumeSource> {}

export const CinderVolumeSource = core("CinderVolumeSource", {
  volumeID: str(1).required(),
  fsType: str(2),
  readOnly: bool(3),
  secretRef: ref(4, LocalObjectReference),
});
export interface CinderVolumeSource extends Infer<typeof CinderVolumeSource> {}

export const ConfigMapVolumeSource = core("ConfigMapVolumeSource", {
  ...inline(1, LocalObjectReference),
  items: list(2, KeyToPath),
  defaultMode: int32(3).explicit(),
  optional: bool(4).explicit(),
});
export interface ConfigMapVolumeSource extends Infer<typeof ConfigMapVolumeSource> {}

export const CSIVolumeSource = core("CSIVolumeSource", {
  driver: str(1).required(),
  readOnly: bool(2).explicit(),
  fsType: str(3),
  volumeAttributes: map(4, "string"),
  nodePublishSecretRef: ref(5, LocalObjectReference),
});
export interface CSIVolumeSource extends Infer<typeof CSIVolumeSource> {}

export const DownwardAPIVolumeFile = core("DownwardAPIVolumeFile", {
  path: str(1).required(),
  fieldRef: ref(2, ObjectFieldSelector),
  resourceFieldRef: ref(3, ResourceFieldSelector),
  mode: int32(4).explicit(),
});
export interface DownwardAPIVolumeFile extends Infer<typeof DownwardAPIVolumeFile> {}

export const DownwardAPIVolumeSource = core("DownwardAPIVolumeSource", {
  items: list(1, DownwardAPIVolumeFile),
  defaultMode: int32(2).explicit(),
});
export interface DownwardAPIVolumeSource extends Infer<typeof DownwardAPIVolumeSource> {}

export const EmptyDirVolumeSource = core("EmptyDirVolumeSource", {
  medium: str(1),
  sizeLimit: quantity(2),
});
export interface EmptyDirVolumeSource extends Infer<typeof EmptyDirVolumeSource> {}

export const VolumeResourceRequirements = core("VolumeResourceRequirements", {
  limits: map(1, "quantity"),
  requests: map(2, "quantity"),
});
export interface VolumeResourceRequirements extends Infer<typeof VolumeResourceRequirements> {}

export const PersistentVolumeClaimSpec = core("PersistentVolumeClaimSpec", {
  accessModes: list(1, "string"),
  resources: ref(2, VolumeResourceRequirements),
  volumeName: str(3),
  selector: ref(4, LabelSelector),
  storageClassName: str(5).explicit(),
  volumeMode: str(6),
  dataSource: ref(7, TypedLocalObjectReference),
  dataSourceRef: ref(8, TypedObjectReference),
  volumeAttributesClassName: str(9),
});
export interface PersistentVolumeClaimSpec extends Infer<typeof PersistentVolumeClaimSpec> {}

export const PersistentVolumeClaimTemplate = core("PersistentVolumeClaimTemplate", {
  metadata: templateOf(1, ObjectMeta),
  spec: ref(2, PersistentVolumeClaimSpec).required(),
});
export interface PersistentVolumeClaimTemplate extends Infer<typeof PersistentVolumeClaimTemplate> {}

export const EphemeralVolumeSource = core("EphemeralVolumeSource", {
  volumeClaimTemplate: ref(1, PersistentVolumeClaimTemplate),
});
export interface EphemeralVolumeSource extends Infer<typeof EphemeralVolumeSource> {}

export const FCVolumeSource = core("FCVolumeSource", {
  targetWWNs: list(1, "string"),
  lun: int32(2).explicit(),
  fsType: str(3),
  readOnly: bool(4),
  wwids: list(5, "string"),
});
export interface FCVolumeSource extends Infer<typeof FCVolumeSource> {}

export const FlexVolumeSource = core("FlexVolumeSource", {
  driver: str(1).required(),
  fsType: str(2),
  secretRef: ref(3, LocalObjectReference),
  readOnly: bool(4),
  options: map(5, "string"),
});
export interface FlexVolumeSource extends Infer<typeof FlexVolumeSource> {}

export const FlockerVolumeSource = core("FlockerVolumeSource", {
  datasetName: str(1),
  datasetUUID: str(2),
});
export interface FlockerVolumeSource extends Infer<typeof FlockerVolumeSource> {}

export const GCEPersistentDiskVolumeSource = core("GCEPersistentDiskVolumeSource", {
  pdName: str(1).required(),
  fsType: str(2),
  partition: int32(3),
  readOnly: bool(4),
});
export interface GCEPersistentDiskVolumeSource extends Infer<typeof GCEPersistentDiskVolumeSource> {}

export const GitRepoVolumeSource = core("GitRepoVolumeSource", {
  repository: str(1).required(),
  revision: str(2),
  directory: str(3),
});
export interface GitRepoVolumeSource extends Infer<typeof GitRepoVolumeSource> {}

export const GlusterfsVolumeSource = core("GlusterfsVolumeSource", {
  endpoints: str(1).required(),
  path: str(2).required(),
  readOnly: bool(3),
});
export interface GlusterfsVolumeSource extends Infer<typeof GlusterfsVolumeSource> {}

export const HostPathVolumeSource = core("HostPathVolumeSource", {
  path: str(1).required(),
  type: str(2)
    .explicit()
    .oneOf("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
});
export interface HostPathVolumeSource extends Infer<typeof HostPathVolumeSource> {}

export const ImageVolumeSource = core("ImageVolumeSource", {
  reference: str(1),
  pullPolicy: str(2),
});
export interface ImageVolumeSource extends Infer<typeof ImageVolumeSource> {}

export const ISCSIVolumeSource = core("ISCSIVolumeSource", {
  targetPortal: str(1).required(),
  iqn: str(2).required(),
  lun: int32(3).required(),
  iscsiInterface: str(4),
  fsType: str(5),
  readOnly: bool(6),
  portals: list(7, "string"),
  chapAuthDiscovery: bool(8),
  secretRef: ref(10, LocalObjectReference),
  chapAuthSession: bool(11),
  initiatorName: str(12),
});
export interface ISCSIVolumeSource extends Infer<typeof ISCSIVolumeSource> {}

export const NFSVolumeSource = core("NFSVolumeSource", {
  server: str(1).required(),
  path: str(2).required(),
  readOnly: bool(3),
});
export interface NFSVolumeSource extends Infer<typeof NFSVolumeSource> {}

export const PersistentVolumeClaimVolumeSource = core("PersistentVolumeClaimVolumeSource", {
  claimName: str(1).required(),
  readOnly: bool(2),
});
export interface PersistentVolumeClaimVolumeSource extends Infer<typeof PersistentVolumeClaimVolumeSource> {}

export const PhotonPersistentDiskVolumeSource = core("PhotonPersistentDiskVolumeSource", {
  pdID: str(1).required(),
  fsType: str(2),
});
export interface PhotonPersistentDiskVolumeSource extends Infer<typeof PhotonPersistentDiskVolumeSource> {}

export const PortworxVolumeSource = core("PortworxVolumeSource", {
  volumeID: str(1).required(),
  fsType: str(2),
  readOnly: bool(3),
});
export interface PortworxVolumeSource extends Infer<typeof PortworxVolumeSource> {}

export const ClusterTrustBundleProjection = core("ClusterTrustBundleProjection", {
  name: str(1),
  signerName: str(2),
  labelSelector: ref(3, LabelSelector),
  path: str(4).required(),
  optional: bool(5).explicit(),
});
export interface ClusterTrustBundleProjection extends Infer<typeof ClusterTrustBundleProjection> {}

export const ConfigMapProjection = core("ConfigMapProjection", {
  ...inline(1, LocalObjectReference),
  items: list(2, KeyToPath),
  optional: bool(4).explicit(),
});
export interface ConfigMapProjection extends Infer<typeof ConfigMapProjection> {}

export const DownwardAPIProjection = core("DownwardAPIProjection", {
  items: list(1, DownwardAPIVolumeFile),
});
export interface DownwardAPIProjection extends Infer<typeof DownwardAPIProjection> {}

export const PodCertificateProjection = core("PodCertificateProjection", {
  signerName: str(1).required(),
  keyType: str(2).required(),
  maxExpirationSeconds: int32(3),
  credentialBundlePath: str(4),
  keyPath: str(5),
  certificateChainPath: str(6),
  userAnnotations: map(7, "string"),
});
export interface PodCertificateProjection extends Infer<typeof PodCertificateProjection> {}

export const SecretProjection = core("SecretProjection", {
  ...inline(1, LocalObjectReference),
  items: list(2, KeyToPath),
  optional: bool(4).explicit(),
});
export interface SecretProjection extends Infer<typeof SecretProjection> {}

export const ServiceAccountTokenProjection = core("ServiceAccountTokenProjection", {
  audience: str(1),
  expirationSeconds: int64(2).explicit(),
  path: str(3).required(),
});
export interface ServiceAccountTokenProjection extends Infer<typeof ServiceAccountTokenProjection> {}

export const VolumeProjection = core("VolumeProjection", {
  secret: ref(1, SecretProjection),
  downwardAPI: ref(2, DownwardAPIProjection),
  configMap: ref(3, ConfigMapProjection),
  serviceAccountToken: ref(4, ServiceAccountTokenProjection),
  clusterTrustBundle: ref(5, ClusterTrustBundleProjection),
  podCertificate: ref(6, PodCertificateProjection),
});
export interface VolumeProjection extends Infer<typeof VolumeProjection> {}

export const ProjectedVolumeSource = core("ProjectedVolumeSource", {
  sources: list(1, VolumeProjection),
  defaultMode: int32(2).explicit(),
});
export interface ProjectedVolumeSource extends Infer<typeof ProjectedVolumeSource> {}

export const QuobyteVolumeSource = core("QuobyteVolumeSource", {
  registry: str(1).required(),
  volume: str(2).required(),
  readOnly: bool(3),
  user: str(4),
  group: str(5),
  tenant: str(6),
});
export interface QuobyteVolumeSource extends Infer<typeof QuobyteVolumeSource> {}

export const RBDVolumeSource = core("RBDVolumeSource", {
  monitors: list(1, "string").required(),
  image: str(2).required(),
  fsType: str(3),
  pool: str(4),
  user: str(5),
  keyring: str(6),
  secretRef: ref(7, LocalObjectReference),
  readOnly: bool(8),
});
export interface RBDVolumeSource extends Infer<typeof RBDVolumeSource> {}

export const ScaleIOVolumeSource = core("ScaleIOVolumeSource", {
  gateway: str(1).required(),
  system: str(2).required(),
  secretRef: ref(3, LocalObjectReference).required(),
  sslEnabled: bool(4),
  protectionDomain: str(5),
  storagePool: str(6),
  storageMode: str(7),
  volumeName: str(8),
  fsType: str(9),
  readOnly: bool(10),
});
export interface ScaleIOVolumeSource extends Infer<typeof ScaleIOVolumeSource> {}

export const SecretVolumeSource = core("SecretVolumeSource", {
  secretName: str(1),
  items: list(2, KeyToPath),
  defaultMode: int32(3).explicit(),
  optional: bool(4).explicit(),
});
export interface SecretVolumeSource extends Infer<typeof SecretVolumeSource> {}

export const StorageOSVolumeSource = core("StorageOSVolumeSource", {
  volumeName: str(1),
  volumeNamespace: str(2),
  fsType: str(3),
  readOnly: bool(4),
  secretRef: ref(5, LocalObjectReference),
});
export interface StorageOSVolumeSource extends Infer<typeof StorageOSVolumeSource> {}

export const VsphereVirtualDiskVolumeSource = core("VsphereVirtualDiskVolumeSource", {
  volumePath: str(1).required(),
  fsType: str(2),
  storagePolicyName: str(3),
  storagePolicyID: str(4),
});
export interface VsphereVirtualDiskVolumeSource extends Infer<typeof VsphereVirtualDiskVolumeSource> {}

export const VolumeSource = core("VolumeSource", {
  hostPath: ref(1, HostPathVolumeSource),
  emptyDir: ref(2, EmptyDirVolumeSource),
  gcePersistentDisk: ref(3, GCEPersistentDiskVolumeSource),
  awsElasticBlockStore: ref(4, AWSElasticBlockStoreVolumeSource),
  gitRepo: ref(5, GitRepoVolumeSource),
  secret: ref(6, SecretVolumeSource),
  nfs: ref(7, NFSVolumeSource),
  iscsi: ref(8, ISCSIVolumeSource),
  glusterfs: ref(9, GlusterfsVolumeSource),
  persistentVolumeClaim: ref(10, PersistentVolumeClaimVolumeSource),
  rbd: ref(11, RBDVolumeSource),
  flexVolume: ref(12, FlexVolumeSource),
  cinder: ref(13, CinderVolumeSource),
  cephfs: ref(14, CephFSVolumeSource),
  flocker: ref(15, FlockerVolumeSource),
  downwardAPI: ref(16, DownwardAPIVolumeSource),
  fc: ref(17, FCVolumeSource),
  azureFile: ref(18, AzureFileVolumeSource),
  configMap: ref(19, ConfigMapVolumeSource),
  vsphereVolume: ref(20, VsphereVirtualDiskVolumeSource),
  quobyte: ref(21, QuobyteVolumeSource),
  azureDisk: ref(22, AzureDiskVolumeSource),
  photonPersistentDisk: ref(23, PhotonPersistentDiskVolumeSource),
  portworxVolume: ref(24, PortworxVolumeSource),
  scaleIO: ref(25, ScaleIOVolumeSource),
  projected: ref(26, ProjectedVolumeSource),
  storageos: ref(27, StorageOSVolumeSource),
  csi: ref(28, CSIVolumeSource),
  ephemeral: ref(29, EphemeralVolumeSource),
  image: ref(30, ImageVolumeSource),
});
export interface VolumeSource extends Infer<typeof VolumeSource> {}

export const Volume = core("Volume", {
  ...inline(2, VolumeSource),
  name: str(1).required(),
});
export interface Volume extends Infer<typeof Volume> {}
