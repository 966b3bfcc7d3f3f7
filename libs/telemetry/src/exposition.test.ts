import { expect, it } from "vitest";
import { Exposition } from "./index.ts";

it("writes families with their samples, escapes what has to be, and leaves out what is empty", () => {
  const out = new Exposition();
  const info = out.family("x_info", "gauge", "An x\\y\nof two lines.");
  info.add({ a: 'say "hi"\n', b: undefined, c: "\\" }, 1);
  info.add({}, Number.POSITIVE_INFINITY);
  out.family("none_total", "counter", "Never.");
  expect(out.text()).toBe(
    '# HELP x_info An x\\\\y\\nof two lines.\n# TYPE x_info gauge\nx_info{a="say \\"hi\\"\\n",c="\\\\"} 1\nx_info +Inf\n',
  );
});
