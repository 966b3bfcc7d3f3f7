import { describe, expect, it } from "vitest";
import { createJoinToken, formatJoinToken, joinSecretHash, parseJoinToken } from "./join-token.ts";

describe("a join token", () => {
  it("is read as it was written", () => {
    const token = createJoinToken("ab".repeat(32));
    expect(parseJoinToken(` ${formatJoinToken(token)}\n`)).toEqual(token);
    expect(createJoinToken("ab".repeat(32)).secret).not.toBe(token.secret);
  });

  it.each(["", "tri1", "tri2.", "abcdef.0123456789abcdef"])('is refused when garbled: "%s"', (text) => {
    expect(() => parseJoinToken(text)).toThrow("the token is garbled");
  });

  it("is refused when a part is missing or cut, without being repeated", () => {
    const text = formatJoinToken(createJoinToken("ab".repeat(32)));
    for (const wrong of [text.slice(0, -1), text.slice(1), `${text}x`, text.replace(".", "..")]) {
      expect(() => parseJoinToken(wrong)).toThrow("the token is garbled");
      expect(() => parseJoinToken(wrong)).not.toThrow(wrong.slice(-30));
    }
  });

  it("is kept as a hash that admits nobody", () => {
    expect(joinSecretHash("a")).toBe("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
  });
});
