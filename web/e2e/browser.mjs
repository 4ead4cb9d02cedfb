// Starts Chromium and opens pages of a room.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const CANDIDATES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--force-color-profile=srgb",
];

const touchScreen = { hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** Screens that the page is tried on. */
export const DEVICES = {
  desktop: { viewport: { width: 1440, height: 900 } },
  laptop: { viewport: { width: 1024, height: 640 } },
  tablet: { viewport: { width: 1180, height: 820 }, ...touchScreen },
  upright: { viewport: { width: 820, height: 1180 }, ...touchScreen },
  phone: { viewport: { width: 390, height: 844 }, ...touchScreen },
  landscape: { viewport: { width: 844, height: 390 }, ...touchScreen },
  small: { viewport: { width: 640, height: 400 } },
};

/** A hand on the page: `tap` and `drag` by mouse, pen or finger, in CSS pixels. */
export async function hand(page, kind) {
  const cdp = await page.context().newCDPSession(page);
  const pause = () => page.waitForTimeout(16);
  if (kind === "touch") {
    const touch = (type, points) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints: points.map((point) => ({ ...point, id: 1 })) });
    const drag = async (points) => {
      await touch("touchStart", [points[0]]);
      for (const point of points) {
        await pause();
        await touch("touchMove", [point]);
      }
      await touch("touchEnd", []);
    };
    return { drag, tap: (point) => page.touchscreen.tap(point.x, point.y) };
  }
  const mouse = (type, { x, y }, buttons) =>
    cdp.send("Input.dispatchMouseEvent", { type, x, y, buttons, button: buttons || type === "mouseReleased" ? "left" : "none", clickCount: 1, pointerType: kind });
  const drag = async (points) => {
    await mouse("mouseMoved", points[0], 0);
    await mouse("mousePressed", points[0], 1);
    for (const point of points) {
      await pause();
      await mouse("mouseMoved", point, 1);
    }
    await mouse("mouseReleased", points.at(-1), 0);
  };
  return { drag, tap: (point) => drag([point]) };
}

/** Where Chromium is: `CHROMIUM`, or where Linux distributions put it. */
export function findChromium() {
  return [process.env.CHROMIUM, ...CANDIDATES].find((path) => path && existsSync(path));
}

export async function launch() {
  const executablePath = findChromium();
  if (!executablePath) throw new Error("Chromium is not here: install it, or name it in CHROMIUM");
  return chromium.launch({ executablePath, args: FLAGS });
}

/** Opens a room in a fresh profile and waits for its picture. */
export async function openRoom(browser, url, room, { token, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme: "dark",
    ...options,
  });
  const page = await context.newPage();
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  await page.goto(room === undefined ? url : `${url}/?room=${encodeURIComponent(room)}${token ? `#token=${token}` : ""}`);
  await page.waitForFunction(() => window.impasto !== undefined);
  await page.evaluate(() => window.impasto.ready());
  return { page, context, troubles };
}

/** Paints with the mouse through canvas points. */
export async function drag(page, points, pace = 12) {
  const at = await page.evaluate((all) => all.map(([x, y]) => window.impasto.toPage({ x, y })), points);
  await page.mouse.move(at[0].x, at[0].y);
  await page.mouse.down();
  for (const point of at) {
    await page.mouse.move(point.x, point.y, { steps: 4 });
    await page.waitForTimeout(pace);
  }
  await page.mouse.up();
}

/** Waits until nothing is unsaved, rendered or inked any more. */
export async function settle(page, timeout = 60_000) {
  const isAtRest = () => {
    const { pending, ink, busy } = window.impasto.state();
    return pending === 0 && ink === 0 && busy.length === 0;
  };
  await page.waitForFunction(isAtRest, undefined, { timeout, polling: 50 });
  // The last frames of a finished render may still be on their way, and where a hand rests another render begins soon: it
  // may take long.
  let last = "";
  for (let calm = 0; calm < 5; ) {
    await page.waitForTimeout(150);
    await page.waitForFunction(isAtRest, undefined, { timeout, polling: 50 });
    const now = await hash(page, "result");
    calm = now === last ? calm + 1 : 0;
    last = now;
  }
}

/** A digest of a layer's pixels. */
export function hash(page, layer, rect) {
  return page.evaluate(
    async ([name, part]) => {
      const { width, height } = window.impasto.canvas();
      const bytes = window.impasto.readPixels(name, part ?? [0, 0, width, height]);
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    },
    [layer, rect],
  );
}
