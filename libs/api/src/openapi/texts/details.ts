import {
  Affinity,
  AppArmorProfile,
  ClientIPConfig,
  ConfigMapEnvSource,
  ConfigMapProjection,
  ContainerImage,
  ContainerResizePolicy,
  ContainerResourceMetricSource,
  ContainerResourceMetricStatus,
  DaemonEndpoint,
  DaemonSetCondition,
  DaemonSetUpdateStrategy,
  DownwardAPIProjection,
  DownwardAPIVolumeFile,
  DownwardAPIVolumeSource,
  EndpointHints,
  EventSource,
  ForZone,
  HTTPHeader,
  HorizontalPodAutoscalerCondition,
  HostAlias,
  HostIP,
  JobCondition,
  LoadBalancerIngress,
  LoadBalancerStatus,
  LocalObjectReference,
  MetricStatus,
  MetricValueStatus,
  NamespaceCondition,
  NodeAffinity,
  NodeDaemonEndpoints,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  PodAntiAffinity,
  PodDNSConfig,
  PodDNSConfigOption,
  PodIP,
  PodOS,
  PodReadinessGate,
  PodSchedulingGate,
  PreferredSchedulingTerm,
  ProjectedVolumeSource,
  ReplicaSetCondition,
  ResourceMetricStatus,
  SELinuxOptions,
  SeccompProfile,
  SecretEnvSource,
  SecretProjection,
  ServiceAccountTokenProjection,
  SessionAffinityConfig,
  SleepAction,
  StatefulSetCondition,
  StatefulSetOrdinals,
  StatefulSetUpdateStrategy,
  Sysctl,
  UncountedTerminatedPods,
  VolumeProjection,
  WeightedPodAffinityTerm,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

const CONDITION = {
  type: "What it is about.",
  status: "True, False or Unknown.",
  lastTransitionTime: "Since when it is so.",
  reason: "Why, in one word for programs.",
  message: "Why, in a sentence for people.",
};

const PROJECTED = {
  name: "Its name.",
  items: "Which keys become files, and where; all of them under their own names unless given.",
  optional: "Whether the Pod starts without it.",
};

const REQUIRED = "What must hold where the Pod is placed; what changes later does not move it.";
const PREFERRED = "What is better where the Pod is placed, by weight.";
const NOT_YET = "Kept, and not acted on yet.";

/** Texts about the small parts of many kinds. */
export const DETAIL_TEXTS: readonly Text[] = [
  text(NamespaceCondition, "What holds a namespace that is being emptied.", CONDITION),
  text(ReplicaSetCondition, "Something that is true of a ReplicaSet, or not.", CONDITION),
  text(DaemonSetCondition, "Something that is true of a DaemonSet, or not.", CONDITION),
  text(StatefulSetCondition, "Something that is true of a StatefulSet, or not.", CONDITION),
  text(HorizontalPodAutoscalerCondition, "Something that is true of an autoscaler, or not.", CONDITION),
  text(JobCondition, "Something that is true of a Job, or not.", {
    ...CONDITION,
    lastProbeTime: "When it was looked at.",
  }),

  text(LocalObjectReference, "Names an object of the same namespace.", { name: "Its name." }),
  text(ConfigMapEnvSource, "A ConfigMap whose keys become variables.", {
    name: "Its name.",
    optional: "Whether the container starts without it.",
  }),
  text(SecretEnvSource, "A Secret whose keys become variables.", {
    name: "Its name.",
    optional: "Whether the container starts without it.",
  }),
  text(HTTPHeader, "A header of a request.", { name: "Its name.", value: "Its value." }),
  text(SleepAction, "Waits.", { seconds: "How long." }),
  text(SeccompProfile, "Which system calls are allowed.", {
    type: "RuntimeDefault, Unconfined, or Localhost for a profile of the node.",
    localhostProfile: "For Localhost: the file.",
  }),
  text(AppArmorProfile, "An AppArmor profile.", {
    type: "RuntimeDefault, Unconfined, or Localhost for a profile of the node.",
    localhostProfile: "For Localhost: the profile's name.",
  }),
  text(SELinuxOptions, "A label for SELinux.", {
    user: "Its user.",
    role: "Its role.",
    type: "Its type.",
    level: "Its level.",
  }),
  text(ContainerResizePolicy, "What a change of resources does to a running container.", {
    resourceName: "cpu or memory.",
    restartPolicy: "NotRequired or RestartContainer.",
  }),

  text(Affinity, "Where a Pod must or should be placed.", {
    nodeAffinity: "By labels of nodes.",
    podAffinity: "Near other Pods.",
    podAntiAffinity: "Away from other Pods.",
  }),
  text(NodeAffinity, "Which nodes a Pod must or should be placed on.", {
    requiredDuringSchedulingIgnoredDuringExecution: REQUIRED,
    preferredDuringSchedulingIgnoredDuringExecution: PREFERRED,
  }),
  text(NodeSelector, "Chooses nodes.", { nodeSelectorTerms: "One of these must match." }),
  text(NodeSelectorTerm, "Matches nodes for which all of this holds.", {
    matchExpressions: "About labels.",
    matchFields: "About fields: metadata.name alone.",
  }),
  text(NodeSelectorRequirement, "A condition on a label or field.", {
    key: "The label or field.",
    operator: "In, NotIn, Exists, DoesNotExist, Gt or Lt.",
    values: "What it is compared with; one number for Gt and Lt, nothing for Exists and DoesNotExist.",
  }),
  text(PreferredSchedulingTerm, "A preference for nodes.", {
    weight: "How much it counts, from 1 to 100.",
    preference: "Which nodes.",
  }),
  text(PodAffinity, `Near which Pods a Pod is placed. ${NOT_YET}`, {
    requiredDuringSchedulingIgnoredDuringExecution: REQUIRED,
    preferredDuringSchedulingIgnoredDuringExecution: PREFERRED,
  }),
  text(PodAntiAffinity, `Away from which Pods a Pod is placed. ${NOT_YET}`, {
    requiredDuringSchedulingIgnoredDuringExecution: REQUIRED,
    preferredDuringSchedulingIgnoredDuringExecution: PREFERRED,
  }),
  text(WeightedPodAffinityTerm, "A preference for places by the Pods there.", {
    weight: "How much it counts, from 1 to 100.",
    podAffinityTerm: "Which Pods, and what counts as their place.",
  }),
  text(PodAffinityTerm, "Chooses Pods, and says what counts as the same place.", {
    labelSelector: "Labels of the Pods.",
    namespaces: "Namespaces of the Pods; the Pod's own unless given.",
    namespaceSelector: "Namespaces of the Pods, by their labels.",
    topologyKey: "The label of nodes whose value is the place, such as kubernetes.io/hostname.",
    matchLabelKeys: "Labels in which the Pods are like this one.",
    mismatchLabelKeys: "Labels in which the Pods differ from this one.",
  }),

  text(HostAlias, "A line for /etc/hosts.", { ip: "The address.", hostnames: "Its names." }),
  text(PodDNSConfig, "Additions to a Pod's DNS settings.", {
    nameservers: "Servers to ask.",
    searches: "Domains in which short names are looked up.",
    options: "Options of the resolver.",
  }),
  text(PodDNSConfigOption, "An option of the resolver.", { name: "Its name.", value: "Its value." }),
  text(PodReadinessGate, "A condition that counts for readiness.", { conditionType: "Its type; somebody sets it." }),
  text(PodSchedulingGate, "Something that must be done before the Pod is placed.", { name: "Its name." }),
  text(PodOS, "The operating system that the Pod is for.", { name: "linux." }),
  text(Sysctl, "A kernel setting.", { name: "Its name.", value: "Its value." }),
  text(PodIP, "An address of the Pod.", { ip: "The address." }),
  text(HostIP, "An address of the Pod's node.", { ip: "The address." }),

  text(ProjectedVolumeSource, "Files from several sources in one folder.", {
    sources: "The sources.",
    defaultMode: "Permissions of the files; 0644 unless given.",
  }),
  text(VolumeProjection, "One source of files.", {
    secret: "A Secret.",
    configMap: "A ConfigMap.",
    downwardAPI: "The Pod itself.",
    serviceAccountToken: "A token of the Pod's identity.",
  }),
  text(SecretProjection, "Files from a Secret.", PROJECTED),
  text(ConfigMapProjection, "Files from a ConfigMap.", PROJECTED),
  text(DownwardAPIProjection, "Files about the Pod itself.", { items: "The files." }),
  text(ServiceAccountTokenProjection, "A token of the Pod's identity.", {
    audience: "Who may accept it; the API server unless given.",
    expirationSeconds: "How long it is good for; an hour unless given.",
    path: "The file.",
  }),
  text(DownwardAPIVolumeSource, "Files about the Pod itself.", {
    items: "The files.",
    defaultMode: "Permissions of the files; 0644 unless given.",
  }),
  text(DownwardAPIVolumeFile, "A file about the Pod itself.", {
    path: "The file.",
    fieldRef: "A field of the Pod, such as metadata.labels.",
    resourceFieldRef: "A container's limit or request.",
    mode: "Its permissions.",
  }),

  text(DaemonSetUpdateStrategy, "How old Pods are replaced.", {
    type: "RollingUpdate, node by node, or OnDelete, when somebody deletes them.",
    rollingUpdate: "For RollingUpdate.",
  }),
  text(StatefulSetUpdateStrategy, "How old Pods are replaced.", {
    type: "RollingUpdate, from the last to the first, or OnDelete, when somebody deletes them.",
    rollingUpdate: "For RollingUpdate.",
  }),
  text(StatefulSetOrdinals, "How Pods are numbered.", { start: "The first number; 0 unless given." }),
  text(UncountedTerminatedPods, "Pods that ended and are not counted yet.", {
    succeeded: "Those that succeeded, by uid.",
    failed: "Those that failed, by uid.",
  }),

  text(SessionAffinityConfig, "How long a client is sent to the same Pod.", { clientIP: "By its address." }),
  text(ClientIPConfig, "By the client's address.", { timeoutSeconds: "For so many seconds; 10800 unless given." }),
  text(LoadBalancerStatus, "Where a load balancer listens.", { ingress: "Its addresses." }),
  text(LoadBalancerIngress, "An address of a load balancer.", {
    ip: "The address.",
    hostname: "Or a name.",
    ipMode: "VIP or Proxy.",
    ports: "What is wrong with single ports.",
  }),
  text(EndpointHints, "Who should use an endpoint.", {
    forZones: "Clients in these zones.",
    forNodes: "Clients on these nodes.",
  }),
  text(ForZone, "A zone.", { name: "Its name." }),

  text(EventSource, "Who tells of it.", { component: "The program.", host: "The machine it runs on." }),
  text(NodeDaemonEndpoints, "Where the node's own programs listen.", { kubeletEndpoint: "The agent." }),
  text(DaemonEndpoint, "A port.", { Port: "Its number." }),
  text(ContainerImage, "An image on a node.", { names: "Its names.", sizeBytes: "How large it is." }),

  text(ContainerResourceMetricSource, "What one container of each Pod uses of cpu or memory.", {
    name: "cpu or memory.",
    container: "The container.",
    target: "What it should be.",
  }),
  text(MetricStatus, "What was measured.", {
    type: "Resource or ContainerResource.",
    resource: "For Resource.",
    containerResource: "For ContainerResource.",
    object: "For Object.",
    pods: "For Pods.",
    external: "For External.",
  }),
  text(ResourceMetricStatus, "What the Pods used.", { name: "cpu or memory.", current: "How much." }),
  text(ContainerResourceMetricStatus, "What one container of each Pod used.", {
    name: "cpu or memory.",
    container: "The container.",
    current: "How much.",
  }),
  text(MetricValueStatus, "A measurement.", {
    averageUtilization: "Percentage of what the Pods request.",
    averageValue: "Amount for each Pod.",
    value: "Amount in all.",
  }),
];
