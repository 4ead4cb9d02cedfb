import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  // As its examples name it.
  resolve: { alias: { "impasto-client": new URL("./client/src/index.ts", import.meta.url).pathname } },
  // A busy machine is no failure: benchmarks measure, tests do not.
  test: { include: ["test/**/*.test.ts"], environment: "node", testTimeout: 60_000 },
});
