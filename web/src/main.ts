import "@fontsource-variable/inter/index.css";
import "./app.css";
import { mount } from "svelte";
import { embeddingApi } from "./embed";
import { claimClientId } from "./studio/client-id";
import { Studio } from "./studio/studio.svelte";
import App from "./ui/App.svelte";

const target = document.getElementById("app");
if (target) {
  const studio = new Studio(new URL(location.href), await claimClientId());
  window.impasto = embeddingApi(studio);
  mount(App, { target, props: { studio } });
  studio.room.connect();
}
