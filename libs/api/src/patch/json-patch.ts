import { TriremeError } from "@trireme/base";

/** Applies a JSON patch (RFC 6902); inputs are left unchanged. Throws Invalid when a path is missing or a test fails. */
export function jsonPatch(document: unknown, operations: unknown): unknown {
  void document;
  void operations;
  throw new TriremeError("UnsupportedMediaType", "JSON patch is not supported yet");
}
