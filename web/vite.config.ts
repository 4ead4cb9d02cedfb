import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// `npm run dev` talks to a server started beside it.
const server = process.env.IMPASTO_SERVER ?? "http://127.0.0.1:7860";

export default defineConfig({
  plugins: [svelte()],
  // Relative: the page may be served under a path.
  base: "./",
  build: {
    target: "es2022",
    // The binary embeds the output: no data URLs, so that a strict content security policy holds.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  server: { proxy: { "/v1": { target: server, ws: true } } },
  preview: { proxy: { "/v1": { target: server, ws: true } } },
});
