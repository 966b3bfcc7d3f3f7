/** Bytes turned into characters at a time: far below the limit on a call's arguments, large enough to be fast. */
const SLICE = 8192;

/** Standard base64 with padding, as Go's encoding/json writes []byte. */
export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += SLICE) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + SLICE)));
  }
  return btoa(parts.join(""));
}

/** The bytes of standard base64; the text must be valid. */
export function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  return Uint8Array.from({ length: binary.length }, (_, index) => binary.charCodeAt(index));
}
