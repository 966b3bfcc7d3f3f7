import { TriremeError } from "@trireme/base";
import { groupResource } from "@trireme/api";
import type { Location } from "./object-store.ts";

/** The 404 of a create in a namespace that does not exist. */
export function namespaceNotFound(name: string): TriremeError {
  return new TriremeError("NotFound", `namespaces "${name}" not found`, {
    details: { name, group: "", kind: "namespaces" },
  });
}

/** The 403 of a create in a namespace that is being emptied. */
export function namespaceTerminating(at: Location): TriremeError {
  return new TriremeError(
    "Forbidden",
    `${groupResource(at.resource)} "${at.name}" is forbidden: unable to create new content in namespace ${at.namespace} because it is being terminated`,
    {
      details: {
        name: at.name,
        group: at.resource.group,
        kind: at.resource.resource,
        causes: [
          {
            reason: "NamespaceTerminating",
            message: `namespace ${at.namespace} is being terminated`,
            field: "metadata.namespace",
          },
        ],
      },
    },
  );
}
