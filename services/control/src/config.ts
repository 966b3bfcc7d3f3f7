import { apiserverFlags } from "@trireme/apiserver";
import { type ConfigOf, flag } from "@trireme/config";

/** Ports are those of Kubernetes' parts, or of the exporters that are usual beside it. */
function port(of: string, standard: number): ReturnType<typeof flag.int> {
  return flag.int({ help: `Port of the metrics of ${of}; 0: none.`, default: standard, min: 0, max: 65_535 });
}

/** A server's control plane: the apiserver's settings, and where the workers' bundles are. */
export const controlFlags = {
  ...apiserverFlags,
  workerDir: flag.string({
    help: "Folder of the bundles scheduler.mjs and controllers.mjs; without it their sources run.",
    optional: true,
  }),
  schedulerMetricsPort: port("the scheduler", 10_259),
  controllersMetricsPort: port("the controllers", 10_257),
  stateMetricsPort: port("the objects' state (kube_*)", 8443),
  storeMetricsPort: port("this server's store", 2382),
  natsMetricsPort: port("this server's NATS", 7777),
  storeMonitorPort: flag.int({ help: "Port of the store's own metrics.", default: 2381, min: 1, max: 65_535 }),
  natsMonitorPort: flag.int({ help: "Port of NATS' monitoring, on loopback.", default: 8222, min: 1, max: 65_535 }),
};

/** Parsed settings. */
export type ControlConfig = ConfigOf<typeof controlFlags>;
