import "@fontsource-variable/inter/index.css";
import "./app.css";
import { mount } from "svelte";
import { embeddingApi } from "./embed";
import { claimClientId } from "./studio/client-id";
import { knownRooms } from "./studio/known-rooms";
import { Studio } from "./studio/studio.svelte";
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
  const studio = new Studio(page, await claimClientId());
  window.impasto = embeddingApi(studio);
  mount(App, { target, props: { studio } });
  studio.room.connect();
}
