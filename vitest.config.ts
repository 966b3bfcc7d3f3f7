import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files run in the order of their names: the end-to-end campaign shares one cluster, and its last file removes it. */
class ByName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(files.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1)));
  }
}

/** Packages without sockets, processes or state of a module: their test files share one set of loaded modules a worker. */
const PURE = "libs/{api,base,mvcc,raft,scheduling}/{src,testing}/**/*.test.ts";

const unit = {
  setupFiles: ["test/property-seed.ts"],
  // Time tells nothing here, and a property test on a busy machine may take long.
  testTimeout: 30_000,
  hookTimeout: 30_000,
};

const slow = { testTimeout: 120_000, hookTimeout: 180_000, fileParallelism: false };

export default defineConfig({
  test: {
    sequence: { sequencer: ByName },
    projects: [
      { test: { name: "unit-pure", include: [PURE], isolate: false, ...unit } },
      {
        test: {
          name: "unit",
          include: [
            "libs/*/{src,testing}/**/*.test.ts",
            "services/*/src/**/*.test.ts",
            "deploy/**/*.test.ts",
            "test/sim/**/*.test.ts",
          ],
          exclude: [PURE, "**/node_modules/**"],
          ...unit,
        },
      },
      { test: { name: "tidy", include: ["test/tidy/**/*.test.ts"] } },
      { test: { name: "integration", include: ["test/integration/**/*.test.ts"], ...slow } },
      { test: { name: "chaos", include: ["test/chaos/**/*.test.ts"], ...slow } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...slow } },
    ],
  },
});
