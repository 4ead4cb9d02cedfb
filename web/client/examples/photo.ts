// Uploads a photo, lets the model change a part of it, and saves the whole:
//   node photo.js http://localhost:7860/ studio photo.jpg "a red door" changed.png
import { readFile, writeFile } from "node:fs/promises";
import { Room } from "impasto-client";

const [server = "http://localhost:7860/", name = "studio", photo = "photo.jpg", prompt = "a red door", file = "changed.png"] =
  process.argv.slice(2);
const room = await Room.join({ server, room: name, name: "Editor" });
const { image, width, height } = await room.upload(new Blob([new Uint8Array(await readFile(photo))]));
await room.place(image);
console.log(`placed ${width} × ${height} pixels`);
// The mask tool lets the model repaint without any paint; all else stays as it is, to the byte.
const { canvas } = room.welcome;
const middle: [number, number, number] = [canvas.width / 2, canvas.height / 2, 1];
const seq = await room.paint([middle], { tool: "mask", size: 120, prompt });
await room.rendered(seq);
const changed = await room.export({ format: "png" });
await writeFile(file, new Uint8Array(await changed.arrayBuffer()));
room.leave();
