// The page inside a frame of another page, by the examples of docs/embedding.md.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { serve } from "./restart.mjs";

const NAMED = "http://localhost:7860/?room=studio";
const GUIDE = readFileSync(new URL("../../docs/embedding.md", import.meta.url), "utf8");

/** The first block of a language in the guide. */
function block(language) {
  return GUIDE.split(`\`\`\`${language}\n`)[1]?.split("```")[0] ?? "";
}

/** The guide's page with its frame, which shows `canvas`, and a script. */
function hostPage(canvas, script = "") {
  const frame = block("html").replace(NAMED, canvas);
  assert.ok(frame.includes(canvas), "the guide names the canvas");
  return `<!doctype html><title>Host</title>${frame}<script type="module">${script}</script>`;
}

/** A port that nobody listens on. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** The server that was named, or one of its own that lets pages of `origin` show it; none where it is not to be had. */
async function serverFor(origin, { binary, mock, url }, listen = "127.0.0.1:0") {
  if (mock) return { url, kill: async () => {} };
  return binary ? serve(binary, "none", listen, ["--allow-origin", origin]) : undefined;
}

const SKIPPED = { skipped: "name the program with --binary" };

export const embeddingScenarios = {
  async "is shown in a frame of a page that is allowed"({ browser, room, ...given }) {
    // Browsers let no page of the internet reach a server of this machine, so this one is here too.
    let body = "";
    const pages = createServer((_request, response) => response.setHeader("content-type", "text/html").end(body));
    pages.listen(0, "127.0.0.1");
    await once(pages, "listening");
    const origin = `http://127.0.0.1:${pages.address().port}`;
    const server = await serverFor(origin, given);
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    try {
      if (!server) return SKIPPED;
      body = hostPage(`${server.url}/?room=${room}`);
      const page = await context.newPage();
      await page.goto(`${origin}/`);
      await page.frameLocator("iframe").locator("canvas").first().waitFor();
      const frame = page.frames().find((found) => found.url().startsWith(server.url));
      const state = await frame.evaluate(() => window.impasto.ready());
      assert.equal(state.room, room);
      const reached = await page.evaluate(() => {
        try {
          return typeof document.querySelector("iframe").contentWindow.impasto;
        } catch (error) {
          return error.name;
        }
      });
      assert.equal(reached, "SecurityError", "another origin does not reach into it");
    } finally {
      await context.close();
      await server?.kill();
      pages.close();
    }
  },

  async "paints for a page of its own origin around the frame"({ browser, room, ...given }) {
    const listen = `127.0.0.1:${await freePort()}`;
    const server = await serverFor(`http://${listen}`, given, listen);
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    try {
      if (!server) return SKIPPED;
      const page = await context.newPage();
      const script = `${block("js")}; globalThis.painted = impasto;`;
      const body = hostPage(`${server.url}/?room=${room}`, script);
      await page.route(`${server.url}/host.html`, (route) => route.fulfill({ contentType: "text/html", body }));
      await page.goto(`${server.url}/host.html`);
      await page.waitForFunction(() => globalThis.painted?.state().pending === 0 && globalThis.painted.state().ink === 0);
      const state = await page.evaluate(() => globalThis.painted.state());
      assert.equal(state.settings.prompt, "a harbour at night");
      const frame = page.frames().find((found) => found !== page.mainFrame());
      const pixel = await frame.evaluate(() => [...window.impasto.readPixels("sketch", [90, 75, 1, 1])]);
      assert.deepEqual(pixel.slice(0, 3), [0x20, 0x60, 0xc0]);
    } finally {
      await context.close();
      await server?.kill();
    }
  },
};
