/** When something signed was valid from and to, ms since the epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is renewed now. */
export interface Renewal {
  readonly certificates: boolean;
  readonly bus: boolean;
}

/** Renewed after this share of a life: so many attempts are left that a control plane may be away for long. */
const RENEW_AT = 2 / 3;

/** Decides what to renew: certificates live a year, the bus' claims a day. What is no longer valid is due as well. */
export function decideRenewal(certificates: readonly Validity[], bus: readonly Validity[], nowMs: number): Renewal {
  const isDue = ({ fromMs, toMs }: Validity): boolean => nowMs >= fromMs + (toMs - fromMs) * RENEW_AT;
  return { certificates: certificates.some(isDue), bus: bus.some(isDue) };
}
