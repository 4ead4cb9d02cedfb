// The stand-in's layers: what ops make of them, and how they lie over the picture.

/** What colour a picture on a layer has here. */
const PICTURE = [90, 140, 190];

const LOWEST = { id: 0, name: "Layer 1", visible: true, opacity: 1, blend: "normal", locked: false, alpha_locked: false, seen: true };

/** The layers that the active changes make, the lowest first. */
export function layersOf(entries) {
  const layers = [{ ...LOWEST }];
  const placeOf = (id) => layers.findIndex((layer) => layer.id === id);
  for (const { seq, client, change } of entries.filter(({ active, change: it }) => active && it)) {
    if (change.action === "add") {
      const below = change.above === undefined ? -1 : placeOf(change.above);
      layers.splice(below < 0 ? layers.length : below + 1, 0, { ...LOWEST, id: seq, name: change.name, owner: client });
    } else if (change.action === "remove" && change.layer !== 0) {
      const at = placeOf(change.layer);
      if (at > 0) layers.splice(at, 1);
    } else if (change.action === "move") {
      const at = placeOf(change.layer);
      if (at <= 0) continue;
      const [moved] = layers.splice(at, 1);
      layers.splice(placeOf(change.above) + 1, 0, moved);
    } else if (change.action === "set") {
      const { action: _action, layer, continues: _continues, ...look } = change;
      Object.assign(layers.find(({ id }) => id === layer) ?? {}, look);
    }
  }
  return layers;
}

/** Why a change is refused, if it is. */
export function refusalOf(change, layers) {
  const known = (id) => layers.some((layer) => layer.id === id);
  if (change.action === "add") return layers.length < 64 ? undefined : ["invalid_value", "A room has 64 layers at most; remove one first."];
  if (!known(change.layer)) return ["unknown_layer", "No layer of that id is there any more; choose another one."];
  return undefined;
}

const MODES = {
  normal: (_below, above) => above,
  multiply: (below, above) => below * above,
  screen: (below, above) => below + above - below * above,
  overlay: (below, above) => (below <= 0.5 ? 2 * below * above : 2 * below - 1 + above - (2 * below - 1) * above),
  "soft-light": (below, above) => {
    if (above <= 0.5) return below - (1 - 2 * above) * below * (1 - below);
    const lifted = below <= 0.25 ? ((16 * below - 12) * below + 4) * below : Math.sqrt(below);
    return below + (2 * above - 1) * (lifted - below);
  },
};

/** The pixels of a layer above the lowest, `[red, green, blue, alpha]` of 1 by their place, and its mask. */
export function paintedOn(layer, entries) {
  const pixels = new Map();
  const mask = new Map();
  for (const entry of entries) {
    if (!entry.active) continue;
    if (entry.kind === "apply") {
      if (entry.into?.includes(layer.id)) { pixels.clear(); mask.clear(); }
      continue;
    }
    if (entry.kind === "picture") {
      if (entry.layer === layer.id) for (const at of entry.cover.keys()) pixels.set(at, [...PICTURE.map((channel) => channel / 255), 1]);
      continue;
    }
    if (entry.kind !== "stroke") continue;
    const { tool, opacity, color } = entry.brush;
    if ((entry.layer ?? 0) !== layer.id && tool !== "restore") continue;
    const rgb = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
    for (const [at, covered] of entry.cover) {
      const weight = covered * opacity;
      const before = pixels.get(at) ?? [0, 0, 0, 0];
      if (tool === "brush") {
        const alpha = weight + before[3] * (1 - weight);
        const share = alpha > 0 ? weight / alpha : 0;
        pixels.set(at, [...rgb.map((channel, index) => channel * share + before[index] * (1 - share)), alpha]);
        mask.set(at, Math.max(mask.get(at) ?? 0, covered * 255));
      } else if (tool === "mask") mask.set(at, Math.max(mask.get(at) ?? 0, covered * 255));
      else {
        if (tool === "erase") pixels.set(at, [before[0], before[1], before[2], before[3] * (1 - weight)]);
        mask.set(at, (mask.get(at) ?? 0) * (1 - weight));
      }
    }
  }
  return { pixels, mask };
}

/** Lays a layer over a picture and its mask. */
export function lay(layer, { pixels, mask: own }, sketch, mask) {
  const mix = MODES[layer.blend];
  for (const [at, [red, green, blue, alpha]] of pixels) {
    const weight = alpha * layer.opacity;
    [red, green, blue].forEach((above, channel) => {
      const below = sketch[at * 3 + channel] / 255;
      sketch[at * 3 + channel] = Math.round((below * (1 - weight) + mix(below, above) * weight) * 255);
    });
  }
  for (const [at, value] of own) mask[at] = Math.max(mask[at], Math.round(value));
}
