import { apiserverFlags } from "@trireme/apiserver";
import { type ConfigOf, flag } from "@trireme/config";

/** A server's control plane: the apiserver's settings, and where the workers' bundles are. */
export const controlFlags = {
  ...apiserverFlags,
  workerDir: flag.string({
    help: "Folder of the bundles scheduler.mjs and controllers.mjs; without it their sources run.",
    optional: true,
  }),
};

/** Parsed settings. */
export type ControlConfig = ConfigOf<typeof controlFlags>;
