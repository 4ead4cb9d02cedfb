import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { expect, test } from "vitest";

/** The page's script at first paint, compressed, in bytes. */
const MOST = 250 * 1024;

interface Chunk {
  file: string;
  isEntry?: boolean;
  imports?: string[];
  css?: string[];
}

test("what the page needs before its first paint is small, and the rest comes when it is needed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "impasto-web-"));
  try {
    await build({
      root: new URL("..", import.meta.url).pathname,
      configFile: new URL("../vite.config.ts", import.meta.url).pathname,
      logLevel: "error",
      build: { outDir: folder, emptyOutDir: true, manifest: true },
    });
    const manifest = JSON.parse(readFileSync(join(folder, ".vite/manifest.json"), "utf8")) as Record<string, Chunk>;
    const first = new Set<string>();
    const follow = (name: string): void => {
      const chunk = manifest[name];
      if (!chunk || first.has(chunk.file)) return;
      first.add(chunk.file);
      chunk.imports?.forEach(follow);
    };
    const entry = Object.entries(manifest).find(([, chunk]) => chunk.isEntry);
    expect(entry).toBeDefined();
    follow(entry?.[0] ?? "");
    const bytes = [...first].map((file) => gzipSync(readFileSync(join(folder, file))).length);
    const sum = bytes.reduce((all, one) => all + one, 0);
    expect(sum, [...first].join(", ")).toBeLessThan(MOST);
    expect(sum, "it is measured").toBeGreaterThan(20 * 1024);
    const psd = Object.values(manifest).find(({ file }) => /psd/.test(file));
    expect(psd, "layers are written by a part of its own").toBeDefined();
    expect(first.has(psd?.file ?? "")).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);
