// What the stand-in's smudges make of its sketch: about what the server makes of it.

/** Drags the paint of a sketch (RGB bytes, row after row) along a stroke's points. */
export function smear(sketch, width, height, { brush, points }) {
  const { size, hardness, strength = 0.7 } = brush;
  let carried = new Map();
  let untilDab = 0;
  points.forEach(([bx, by, bp], index) => {
    const [ax, ay, ap] = points[index - 1] ?? [bx, by, bp];
    if (ap <= 0 && bp <= 0) {
      untilDab = 0;
      return;
    }
    if (untilDab === 0) carried = new Map();
    const length = Math.hypot(bx - ax, by - ay);
    while (untilDab <= length) {
      const part = length > 0 ? untilDab / length : 1;
      const [x, y, pressure] = [ax + (bx - ax) * part, ay + (by - ay) * part, ap + (bp - ap) * part];
      carried = dab(x, y, (size * pressure) / 2);
      untilDab += Math.max(1, (size * pressure) / 8);
    }
    untilDab -= length;
  });

  function dab(x, y, radius) {
    const now = new Map();
    const reach = Math.ceil(radius) + 1;
    for (let py = Math.max(0, Math.floor(y) - reach); py <= Math.min(height - 1, Math.floor(y) + reach); py += 1) {
      for (let px = Math.max(0, Math.floor(x) - reach); px <= Math.min(width - 1, Math.floor(x) + reach); px += 1) {
        const key = `${px - Math.floor(x)},${py - Math.floor(y)}`;
        const at = (py * width + px) * 3;
        const held = carried.get(key);
        const edge = Math.max(1, radius * (1 - hardness));
        const covered = Math.min(1, Math.max(0, (radius + 0.5 - Math.hypot(px + 0.5 - x, py + 0.5 - y)) / edge));
        const paint = [0, 1, 2].map((channel) => {
          const under = sketch[at + channel];
          return held ? under + (held[channel] - under) * strength : under;
        });
        now.set(key, paint);
        paint.forEach((value, channel) => (sketch[at + channel] = Math.round(sketch[at + channel] + (value - sketch[at + channel]) * covered)));
      }
    }
    return now;
  }
}
