// Browser tests of the web canvas, in a real Chromium:
//   npm run e2e -- --url http://127.0.0.1:7860     against a running server
//   npm run e2e -- --mock                          against the stand-in in mock-server.mjs
// Options: --shots DIR keeps screenshots there; --only WORD runs the scenarios whose name has it;
// --binary PATH is the program for scenarios that kill a server of their own.
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { areaScenarios } from "./areas.mjs";
import { findChromium, launch } from "./browser.mjs";
import { startScenarios } from "./canvases.mjs";
import { colourScenarios } from "./colours.mjs";
import { embeddingScenarios } from "./embedding.mjs";
import { exportScenarios } from "./export.mjs";
import { fileLayerScenarios } from "./file-layers.mjs";
import { habitScenarios } from "./habits.mjs";
import { historyScenarios } from "./history.mjs";
import { layerPictureScenarios } from "./layer-pictures.mjs";
import { layerScenarios } from "./layers.mjs";
import { canvasScenarios, layoutScenarios } from "./layout.mjs";
import { peopleScenarios } from "./people.mjs";
import { photoScenarios } from "./photo.mjs";
import { restartScenarios } from "./restart.mjs";
import { settingsScenarios } from "./settings.mjs";
import { scenarios } from "./scenarios.mjs";
import { toolScenarios } from "./tools.mjs";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    mock: { type: "boolean", default: false },
    shots: { type: "string", default: "test-results" },
    only: { type: "string", default: "" },
    binary: { type: "string" },
  },
});

if (!findChromium()) {
  console.error("SKIPPED: no browser test ran, because Chromium is not here (install it, or name it in CHROMIUM)");
  process.exit(75);
}
if (!values.url && !values.mock) {
  console.error("name a running server with --url http://127.0.0.1:PORT, or use --mock");
  process.exit(2);
}

const mock = values.mock ? await (await import("./mock-server.mjs")).startMock() : undefined;
const url = (values.url ?? mock?.url ?? "").replace(/\/$/, "");
mkdirSync(values.shots, { recursive: true });
const all = { ...scenarios, ...habitScenarios, ...peopleScenarios, ...settingsScenarios, ...toolScenarios, ...areaScenarios, ...colourScenarios, ...canvasScenarios, ...layoutScenarios, ...layerScenarios, ...layerPictureScenarios, ...fileLayerScenarios, ...historyScenarios, ...photoScenarios, ...exportScenarios, ...embeddingScenarios, ...startScenarios, ...restartScenarios };
const LONGEST_MS = 180_000;
const browser = await launch();
let failed = 0;
const skipped = [];

/** A scenario that hangs fails, so that the next one can run. */
function inTime(promise) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LONGEST_MS / 1000} s`)), LONGEST_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The rooms that the server tells of; none where it tells nobody. */
async function roomsThere() {
  const answer = await fetch(`${url}/v1/rooms`);
  return answer.ok ? (await answer.json()).rooms.map(({ room }) => room) : [];
}

/** A server keeps few rooms that nobody is in: those that a scenario made go, and no others. */
async function tidy(before) {
  const made = (await roomsThere()).filter((room) => !before.has(room));
  for (const room of made) await fetch(`${url}/v1/rooms/${encodeURIComponent(room)}`, { method: "DELETE" });
}

try {
  for (const [name, scenario] of Object.entries(all)) {
    if (!name.includes(values.only)) continue;
    const before = new Set(await roomsThere());
    const began = Date.now();
    // Every scenario has rooms of its own, also on a server that was used before.
    const room = `e2e-${Math.floor(Math.random() * 1e12)}`;
    try {
      const outcome = await inTime(scenario({ browser, url, room, shots: values.shots, mock, binary: values.binary }));
      if (outcome?.skipped) {
        skipped.push(name);
        console.error(`SKIP  ${name}: ${outcome.skipped}`);
        continue;
      }
      console.log(`ok    ${name} (${Date.now() - began} ms)${outcome ? `: ${outcome}` : ""}`);
    } catch (error) {
      failed += 1;
      console.error(`FAIL  ${name}\n${error instanceof Error ? error.stack : error}`);
      for (const context of browser.contexts()) await context.close().catch(() => {});
    } finally {
      await tidy(before);
    }
  }
} finally {
  await browser.close();
  mock?.stop();
}
if (skipped.length > 0) console.error(`NOT TESTED, see SKIP above: ${skipped.join("; ")}`);
console.log(failed === 0 ? "all browser tests passed" : `${failed} browser tests failed`);
process.exit(failed === 0 ? 0 : 1);
