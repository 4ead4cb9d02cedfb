// A minimal zip writer, for files that no program of ours would write.
import { crc32, deflateRawSync } from "node:zlib";

/** The archive of parts `[name, bytes, deflates]`, in that order. */
export function zipOf(parts) {
  const [locals, entries] = [[], []];
  let at = 0;
  for (const [name, content, deflates = false] of parts) {
    const [title, bytes] = [Buffer.from(name), Buffer.from(content)];
    const packed = deflates ? deflateRawSync(bytes) : bytes;
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(deflates ? 8 : 0, 4);
    head.writeUInt32LE(crc32(bytes), 10);
    head.writeUInt32LE(packed.length, 14);
    head.writeUInt32LE(bytes.length, 18);
    head.writeUInt16LE(title.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    locals.push(Buffer.from("PK\x03\x04", "latin1"), head, title, packed);
    entries.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), head, place, title);
    at += 4 + head.length + title.length + packed.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(parts.length, 8);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}
