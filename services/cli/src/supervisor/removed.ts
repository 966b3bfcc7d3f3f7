import { existsSync } from "node:fs";

/** Where a removed server's supervisor notes that; beside the log of the removed member, so that both go together. */
export function removedFileOf(host: { readonly dir: string }): string {
  return `${host.dir}/store/removed.json`;
}

/** Why a server's store is kept down, with the way out; undefined where nothing keeps it. */
export function removedReason(host: {
  readonly dir: string;
}): { readonly says: string; readonly wayOut: string } | undefined {
  if (!existsSync(removedFileOf(host))) return undefined;
  return {
    says: "removed from the cluster: its store was ended for good",
    wayOut: `to have it back: end its tri server, empty ${host.dir}, and join anew with ./tri server --join https://SERVER:6443 --token TOKEN`,
  };
}
