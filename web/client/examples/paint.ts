// Paints a stroke, waits for what the model makes of it, and saves the picture:
//   node paint.js http://localhost:7860/ studio picture.png
import { writeFile } from "node:fs/promises";
import { Room } from "impasto-client";

const [server = "http://localhost:7860/", name = "studio", file = "picture.png"] = process.argv.slice(2);
const room = await Room.join({ server, room: name, name: "Painter" });
await room.settings({ prompt: "a harbour at night", seed: 7 });
const points = Array.from({ length: 12 }, (_, at): [number, number, number] => [100 + 10 * at, 200 + 4 * at, 0.8]);
const seq = await room.paint(points, { color: "#2060c0", size: 40 });
const { timings_ms } = await room.rendered(seq);
console.log(`op ${seq} was rendered in ${timings_ms?.total ?? "?"} ms`);
const picture = await room.export({ format: "png" });
await writeFile(file, new Uint8Array(await picture.arrayBuffer()));
room.leave();
