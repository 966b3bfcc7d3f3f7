/** A setting from the environment; manifests give all of them, so a missing one is a mistake worth ending for. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`the environment lacks ${name}`);
  return value;
}

/** A setting that is a number. */
export function numberSetting(name: string): number {
  const value = Number(setting(name));
  if (!Number.isFinite(value)) throw new Error(`${name} must be a number, not "${setting(name)}"`);
  return value;
}
