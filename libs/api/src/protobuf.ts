import { TriremeError } from "@trireme/base";
import type { KubeObject } from "./resources.ts";

/** Whether bytes open with Kubernetes' protobuf magic `6b 38 73 00`. */
export function isProtobuf(body: Uint8Array): boolean {
  return body.length >= 4 && body[0] === 0x6b && body[1] === 0x38 && body[2] === 0x73 && body[3] === 0;
}

/** Decodes a request body of type `application/vnd.kubernetes.protobuf` into the JSON form of its object. */
export function decodeProtobuf(body: Uint8Array): KubeObject {
  void body;
  throw new TriremeError("UnsupportedMediaType", "protobuf bodies are not supported yet");
}
