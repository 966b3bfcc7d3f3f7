import type { Machine } from "./cluster-plan.ts";
import { criSocketOf } from "./processes.ts";

/** The image of the process that holds a pod's namespaces; built by deploy/images. */
export const PAUSE_IMAGE = "trireme.local/pause:1";

/**
 * One node's containerd: root, state, socket and CNI configuration of its own, so that nodes share nothing but the
 * binary. `restrict_oom_score_adj` lets it run without CAP_SYS_RESOURCE; network namespaces are mounted under its
 * state, so that two nodes never see each other's.
 */
export function containerdConfig(host: Machine): string {
  const dir = `${host.dir}/containerd`;
  return `version = 2
root = "${dir}/root"
state = "${dir}/state"

[grpc]
  address = "${criSocketOf(host)}"

[ttrpc]
  address = "${criSocketOf(host)}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      # runc's own state, by default in /run/containerd, which this node does not own.
      Root = "${dir}/state/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${host.dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${dir}/certs.d"
`;
}
