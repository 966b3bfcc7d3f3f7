import type { Container } from "@trireme/api";
import { parseQuantity } from "@trireme/api";

/** CPU time is dealt out in periods of 100 ms, as kubelet does. */
const PERIOD_MICROS = 100_000;
/** The kernel refuses a quota below a millisecond a period. */
const MIN_QUOTA_MICROS = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** What a container's resources mean to its cgroup. Zero: no limit. */
export interface LinuxLimits {
  readonly cpuPeriod: bigint;
  readonly cpuQuota: bigint;
  readonly cpuShares: bigint;
  readonly memoryLimitInBytes: bigint;
}

/** The cgroup's limits of a container: the memory limit is the manifest's to the byte. */
export function limitsOf(container: Container): LinuxLimits {
  const limits = container.resources?.limits ?? {};
  const requests = container.resources?.requests ?? {};
  const milli = (text: string | undefined): number => (text === undefined ? 0 : parseQuantity(text).milli);
  const cpuLimit = milli(limits["cpu"]);
  const cpuRequest = requests["cpu"] === undefined ? cpuLimit : milli(requests["cpu"]);
  const shares = Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((cpuRequest * 1024) / 1000)));
  const quota = cpuLimit === 0 ? 0 : Math.max(MIN_QUOTA_MICROS, Math.floor((cpuLimit * PERIOD_MICROS) / 1000));
  const memory = limits["memory"] === undefined ? 0 : parseQuantity(limits["memory"]).value;
  return {
    cpuPeriod: BigInt(quota === 0 ? 0 : PERIOD_MICROS),
    cpuQuota: BigInt(quota),
    cpuShares: BigInt(shares),
    memoryLimitInBytes: BigInt(memory),
  };
}
