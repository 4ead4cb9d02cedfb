import "@fontsource-variable/inter/index.css";
import "./app.css";
import { mount } from "svelte";
import { socketAddress } from "../client/src";
import { embeddingApi } from "./embed";
import { claimClientId } from "./studio/client-id";
import { knownRooms } from "./studio/known-rooms";
import { Studio } from "./studio/studio.svelte";
import { Unsent } from "./studio/unsent";
import App from "./ui/App.svelte";
import { placeFromAddress } from "./wire/identity";

const target = document.getElementById("app");
const page = new URL(location.href);
const { room, token } = placeFromAddress(page);
const startWanted = page.searchParams.has("canvases") || knownRooms().length > 0;
if (target && room === undefined && startWanted) {
  const { default: Start } = await import("./ui/Start.svelte");
  mount(Start, { target, props: { token } });
} else if (target) {
  // A newcomer is at a canvas at once.
  const studio = await openStudio();
  window.impasto = embeddingApi(studio);
  mount(App, { target, props: { studio } });
  studio.room.connect();
}

/** The studio, with what an earlier page could not send to its room. */
async function openStudio(): Promise<Studio> {
  const unsent = await Unsent.open();
  const waiting = room === undefined ? [] : await unsent?.clients(socketAddress(page, room));
  const studio = new Studio(page, await claimClientId(waiting), unsent);
  await studio.room.restore();
  return studio;
}
