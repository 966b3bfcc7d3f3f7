import { type Message, jsonMergePatch, jsonPatch, strategicMergePatch } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { PatchType } from "../pipeline/request.ts";

/** Media types of PATCH bodies. */
export const PATCH_MEDIA_TYPES: Readonly<Record<string, PatchType>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

/** Applies a patch other than server-side apply to an object; the result is unchecked JSON. */
export function patched(schema: Message, current: unknown, type: Exclude<PatchType, "apply">, body: unknown): unknown {
  switch (type) {
    case "json":
      if (!Array.isArray(body)) throw new TriremeError("BadRequest", "a JSON patch is a list of operations");
      return jsonPatch(current, body);
    case "merge":
      return jsonMergePatch(current, mustBeObject(body));
    case "strategic":
      return strategicMergePatch(schema, current, mustBeObject(body));
  }
}

function mustBeObject(body: unknown): object {
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
  throw new TriremeError("BadRequest", "the patch must be an object");
}
