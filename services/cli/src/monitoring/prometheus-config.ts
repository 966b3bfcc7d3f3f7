import { parse, stringify } from "yaml";
import { type Discovered, type Discovery, targetsOf } from "./targets.ts";

/** Where a Prometheus outside of the cluster finds it. */
export interface OutsideOptions {
  /** `https://host:port` of the API. */
  readonly apiServer: string;
  /** File of the cluster's CA, PEM. */
  readonly caFile: string;
  /** File of a token of ServiceAccount monitoring/prometheus. */
  readonly tokenFile: string;
  /** What there is now: written down instead of discovered. */
  readonly found?: Discovered;
}

interface ScrapeConfig {
  readonly kubernetes_sd_configs?: readonly Discovery[];
  readonly authorization?: object;
  readonly tls_config?: object;
}

/**
 * The configuration of deploy/prometheus for a Prometheus outside of the cluster: the same jobs and labels, with the API's
 * address and the credentials in files. With `found`, targets are listed instead of discovered.
 */
export function outsideConfig(inside: string, options: OutsideOptions): string {
  const config = parse(inside) as { readonly scrape_configs: readonly ScrapeConfig[] };
  const authorization = { credentials_file: options.tokenFile };
  const tls = { ca_file: options.caFile };
  const { found } = options;
  const scrapeConfigs = config.scrape_configs.map(({ kubernetes_sd_configs: discoveries = [], ...job }) => ({
    ...job,
    ...(job.authorization === undefined ? {} : { authorization }),
    ...(job.tls_config === undefined ? {} : { tls_config: tls }),
    ...(found === undefined
      ? {
          kubernetes_sd_configs: discoveries.map((one) => ({
            ...one,
            api_server: options.apiServer,
            authorization,
            tls_config: tls,
          })),
        }
      : { static_configs: discoveries.flatMap((one) => targetsOf(one, found)) }),
  }));
  return stringify({ ...config, scrape_configs: scrapeConfigs }, { aliasDuplicateObjects: false, lineWidth: 0 });
}
