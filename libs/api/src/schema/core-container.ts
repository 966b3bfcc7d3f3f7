/**
 * Containers: environment, probes, lifecycle, security. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, inline, int32, int64, intOrString, list, packageOf, ref, str } from "./notation.ts";
import {
  LocalObjectReference,
  ObjectFieldSelector,
  ResourceFieldSelector,
  ResourceRequirements,
} from "./core-reference.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const ConfigMapKeySelector = core.atomic("ConfigMapKeySelector", {
  ...inline(1, LocalObjectReference),
  key: str(2).required(),
  optional: bool(3).explicit(),
});
export interface ConfigMapKeySelector extends Infer<typeof ConfigMapKeySelector> {}

export const FileKeySelector = core.atomic("FileKeySelector", {
  volumeName: str(1).required(),
  path: str(2).required(),
  key: str(3).required(),
  optional: bool(4).explicit(),
});
export interface FileKeySelector extends Infer<typeof FileKeySelector> {}

export const SecretKeySelector = core.atomic("SecretKeySelector", {
  ...inline(1, LocalObjectReference),
  key: str(2).required(),
  optional: bool(3).explicit(),
});
export interface SecretKeySelector extends Infer<typeof SecretKeySelector> {}

export const EnvVarSource = core("EnvVarSource", {
  fieldRef: ref(1, ObjectFieldSelector),
  resourceFieldRef: ref(2, ResourceFieldSelector),
  configMapKeyRef: ref(3, ConfigMapKeySelector),
  secretKeyRef: ref(4, SecretKeySelector),
  fileKeyRef: ref(5, FileKeySelector),
});
export interface EnvVarSource extends Infer<typeof EnvVarSource> {}

export const EnvVar = core("EnvVar", {
  name: str(1).required(),
  value: str(2),
  valueFrom: ref(3, EnvVarSource),
});
export interface EnvVar extends Infer<typeof EnvVar> {}

export const ConfigMapEnvSource = core("ConfigMapEnvSource", {
  ...inline(1, LocalObjectReference),
  optional: bool(2).explicit(),
});
export interface ConfigMapEnvSource extends Infer<typeof ConfigMapEnvSource> {}

export const SecretEnvSource = core("SecretEnvSource", {
  ...inline(1, LocalObjectReference),
  optional: bool(2).explicit(),
});
export interface SecretEnvSource extends Infer<typeof SecretEnvSource> {}

export const EnvFromSource = core("EnvFromSource", {
  prefix: str(1),
  configMapRef: ref(2, ConfigMapEnvSource),
  secretRef: ref(3, SecretEnvSource),
});
export interface EnvFromSource extends Infer<typeof EnvFromSource> {}

export const ExecAction = core("ExecAction", {
  command: list(1, "string"),
});
export interface ExecAction extends Infer<typeof ExecAction> {}

export const HTTPHeader = core("HTTPHeader", {
  name: str(1).required(),
  value: str(2).explicit().required(),
});
export interface HTTPHeader extends Infer<typeof HTTPHeader> {}

export const HTTPGetAction = core("HTTPGetAction", {
  path: str(1),
  port: intOrString(2).required(),
  host: str(3),
  scheme: str(4).oneOf("HTTP", "HTTPS"),
  httpHeaders: list(5, HTTPHeader),
});
export interface HTTPGetAction extends Infer<typeof HTTPGetAction> {}

export const SleepAction = core("SleepAction", {
  seconds: int64(1).required(),
});
export interface SleepAction extends Infer<typeof SleepAction> {}

export const TCPSocketAction = core("TCPSocketAction", {
  port: intOrString(1).required(),
  host: str(2),
});
export interface TCPSocketAction extends Infer<typeof TCPSocketAction> {}

export const LifecycleHandler = core("LifecycleHandler", {
  exec: ref(1, ExecAction),
  httpGet: ref(2, HTTPGetAction),
  tcpSocket: ref(3, TCPSocketAction),
  sleep: ref(4, SleepAction),
});
export interface LifecycleHandler extends Infer<typeof LifecycleHandler> {}

export const Lifecycle = core("Lifecycle", {
  postStart: ref(1, LifecycleHandler),
  preStop: ref(2, LifecycleHandler),
  stopSignal: str(3),
});
export interface Lifecycle extends Infer<typeof Lifecycle> {}

export const GRPCAction = core("GRPCAction", {
  port: int32(1).required(),
  service: str(2).explicit(),
});
export interface GRPCAction extends Infer<typeof GRPCAction> {}

export const ProbeHandler = core("ProbeHandler", {
  exec: ref(1, ExecAction),
  httpGet: ref(2, HTTPGetAction),
  tcpSocket: ref(3, TCPSocketAction),
  grpc: ref(4, GRPCAction),
});
export interface ProbeHandler extends Infer<typeof ProbeHandler> {}

export const Probe = core("Probe", {
  ...inline(1, ProbeHandler),
  initialDelaySeconds: int32(2),
  timeoutSeconds: int32(3),
  periodSeconds: int32(4),
  successThreshold: int32(5),
  failureThreshold: int32(6),
  terminationGracePeriodSeconds: int64(7).explicit(),
});
export interface Probe extends Infer<typeof Probe> {}

export const ContainerPort = core("ContainerPort", {
  name: str(1),
  hostPort: int32(2),
  containerPort: int32(3).required(),
  protocol: str(4).oneOf("TCP", "UDP", "SCTP"),
  hostIP: str(5),
});
export interface ContainerPort extends Infer<typeof ContainerPort> {}

export const ContainerResizePolicy = core("ContainerResizePolicy", {
  resourceName: str(1).required(),
  restartPolicy: str(2).oneOf("NotRequired", "RestartContainer").required(),
});
export interface ContainerResizePolicy extends Infer<typeof ContainerResizePolicy> {}

export const ContainerRestartRuleOnExitCodes = core("ContainerRestartRuleOnExitCodes", {
  operator: str(1).required(),
  values: list(2, "int32").set(),
});
export interface ContainerRestartRuleOnExitCodes extends Infer<typeof ContainerRestartRuleOnExitCodes> {}

export const ContainerRestartRule = core("ContainerRestartRule", {
  action: str(1).required(),
  exitCodes: ref(2, ContainerRestartRuleOnExitCodes),
});
export interface ContainerRestartRule extends Infer<typeof ContainerRestartRule> {}

export const AppArmorProfile = core("AppArmorProfile", {
  type: str(1).oneOf("Localhost", "RuntimeDefault", "Unconfined").required(),
  localhostProfile: str(2),
});
export interface AppArmorProfile extends Infer<typeof AppArmorProfile> {}

export const Capabilities = core("Capabilities", {
  add: list(1, "string"),
  drop: list(2, "string"),
});
export interface Capabilities extends Infer<typeof Capabilities> {}

export const SELinuxOptions = core("SELinuxOptions", {
  user: str(1),
  role: str(2),
  type: str(3),
  level: str(4),
});
export interface SELinuxOptions extends Infer<typeof SELinuxOptions> {}

export const SeccompProfile = core("SeccompProfile", {
  type: str(1).oneOf("Localhost", "RuntimeDefault", "Unconfined").required(),
  localhostProfile: str(2),
});
export interface SeccompProfile extends Infer<typeof SeccompProfile> {}

export const WindowsSecurityContextOptions = core("WindowsSecurityContextOptions", {
  gmsaCredentialSpecName: str(1),
  gmsaCredentialSpec: str(2),
  runAsUserName: str(3),
  hostProcess: bool(4).explicit(),
});
export interface WindowsSecurityContextOptions extends Infer<typeof WindowsSecurityContextOptions> {}

export const SecurityContext = core("SecurityContext", {
  capabilities: ref(1, Capabilities),
  privileged: bool(2).explicit(),
  seLinuxOptions: ref(3, SELinuxOptions),
  runAsUser: int64(4).explicit(),
  runAsNonRoot: bool(5).explicit(),
  readOnlyRootFilesystem: bool(6).explicit(),
  allowPrivilegeEscalation: bool(7).explicit(),
  runAsGroup: int64(8).explicit(),
  procMount: str(9).oneOf("Default", "Unmasked"),
  windowsOptions: ref(10, WindowsSecurityContextOptions),
  seccompProfile: ref(11, SeccompProfile),
  appArmorProfile: ref(12, AppArmorProfile),
});
export interface SecurityContext extends Infer<typeof SecurityContext> {}

export const VolumeDevice = core("VolumeDevice", {
  name: str(1).required(),
  devicePath: str(2).required(),
});
export interface VolumeDevice extends Infer<typeof VolumeDevice> {}

export const VolumeMount = core("VolumeMount", {
  name: str(1).required(),
  readOnly: bool(2),
  mountPath: str(3).required(),
  subPath: str(4),
  mountPropagation: str(5).oneOf("None", "HostToContainer", "Bidirectional"),
  subPathExpr: str(6),
  recursiveReadOnly: str(7),
});
export interface VolumeMount extends Infer<typeof VolumeMount> {}

/** What containers and ephemeral ones have in common: everything, but under a number of its own in protobuf. */
const CONTAINER_FIELDS = {
  name: str(1).required(),
  image: str(2),
  command: list(3, "string"),
  args: list(4, "string"),
  workingDir: str(5),
  ports: list(6, ContainerPort).by("containerPort", "protocol"),
  env: list(7, EnvVar).by("name"),
  resources: ref(8, ResourceRequirements),
  volumeMounts: list(9, VolumeMount).by("mountPath"),
  livenessProbe: ref(10, Probe),
  readinessProbe: ref(11, Probe),
  lifecycle: ref(12, Lifecycle),
  terminationMessagePath: str(13),
  imagePullPolicy: str(14).oneOf("Always", "IfNotPresent", "Never"),
  securityContext: ref(15, SecurityContext),
  stdin: bool(16),
  stdinOnce: bool(17),
  tty: bool(18),
  envFrom: list(19, EnvFromSource),
  terminationMessagePolicy: str(20).oneOf("File", "FallbackToLogsOnError"),
  volumeDevices: list(21, VolumeDevice).by("devicePath"),
  startupProbe: ref(22, Probe),
  resizePolicy: list(23, ContainerResizePolicy),
  restartPolicy: str(24),
  restartPolicyRules: list(25, ContainerRestartRule),
};

export const Container = core("Container", CONTAINER_FIELDS);
export interface Container extends Infer<typeof Container> {}

export const EphemeralContainerCommon = core("EphemeralContainerCommon", CONTAINER_FIELDS);
export interface EphemeralContainerCommon extends Infer<typeof EphemeralContainerCommon> {}

export const EphemeralContainer = core("EphemeralContainer", {
  ...inline(1, EphemeralContainerCommon),
  targetContainerName: str(2),
});
export interface EphemeralContainer extends Infer<typeof EphemeralContainer> {}
