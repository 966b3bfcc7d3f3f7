/** What `exec`, `attach` and `portforward` of a pod are asked; clients send it as the query of an upgraded connection. */
import { type Infer, bool, list, packageOf, str } from "./notation.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const PodExecOptions = core.kind("PodExecOptions", {
  stdin: bool(1),
  stdout: bool(2),
  stderr: bool(3),
  tty: bool(4),
  container: str(5),
  command: list(6, "string").required(),
});
export interface PodExecOptions extends Infer<typeof PodExecOptions> {}

export const PodAttachOptions = core.kind("PodAttachOptions", {
  stdin: bool(1),
  stdout: bool(2),
  stderr: bool(3),
  tty: bool(4),
  container: str(5),
});
export interface PodAttachOptions extends Infer<typeof PodAttachOptions> {}

export const PodPortForwardOptions = core.kind("PodPortForwardOptions", {
  ports: list(1, "int32"),
});
export interface PodPortForwardOptions extends Infer<typeof PodPortForwardOptions> {}
