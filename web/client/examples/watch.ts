// Tells what happens in a room until it has seen some pixels that a model made:
//   node watch.js http://localhost:7860/ studio
import { Room } from "impasto-client";

const [server = "http://localhost:7860/", name = "studio"] = process.argv.slice(2);
const room = await Room.join({ server, room: name, name: "Watcher" });
const { canvas, members, seq } = room.welcome;
console.log(`${name}: ${canvas.width} × ${canvas.height}, ${members.length} members, ${seq} ops`);
// The connection comes back by itself, and is told what it missed.
room.on("phase", (phase) => console.log(`the connection is ${phase.name}`));
room.on("op", ({ seq, op }) => console.log(`op ${seq}: ${op.type}`));
room.on("frame", ({ header, image }) => {
  const [x, y, width, height] = header.rect;
  console.log(`${header.layer} ${width} × ${height} at ${x}, ${y}: ${image.length} bytes of ${header.format}`);
});
await room.next("frame", ({ header }) => header.layer === "result" && header.step > 0 && header.final);
room.leave();
