// The inversion of a photo as the stand-in tells it: two tiles, step by step, and pictures of them.
const STEPS = 20;
const STEP_MS = 60;

export class MockInversion {
  constructor(room) {
    this.room = room;
    const { width, height } = room;
    this.waiting = [[0, 0, width / 2, height], [width / 2, 0, width / 2, height]];
    this.seq = room.seq;
    this.done = [];
    this.noise = new Uint8Array(width * height * 3).fill(128);
    this.reconstruction = this.noise.slice();
    this.begin();
  }

  begin() {
    this.rect = this.waiting.shift();
    if (!this.rect) return;
    this.step = 0;
    this.tell("started");
    this.timer = setInterval(() => this.advance(), STEP_MS);
  }

  advance() {
    this.step += 1;
    if (this.step < STEPS) return this.tell("progress", { step: this.step });
    clearInterval(this.timer);
    this.paint(this.rect);
    this.done.push(this.rect);
    this.tell("done", { psnr_db: 34.06, timings_ms: { total: STEPS * STEP_MS } });
    return this.begin();
  }

  info() {
    const running = this.rect ? [{ rect: this.rect, step: this.step }] : [];
    const psnr = this.done.length > 0 ? { psnr_db: 34.06 } : {};
    return { seq: this.seq, done: this.done, running, steps: STEPS, ...psnr };
  }

  cancel() {
    if (!this.rect) return;
    clearInterval(this.timer);
    this.waiting = [];
    this.tell("superseded");
    this.rect = undefined;
  }

  paint([left, top, width, height]) {
    for (let y = top; y < top + height; y += 1) {
      for (let x = left; x < left + width; x += 1) {
        const at = (y * this.room.width + x) * 3;
        for (let channel = 0; channel < 3; channel += 1) {
          this.noise[at + channel] = Math.floor(Math.random() * 256);
          this.reconstruction[at + channel] = [90, 140, 190][channel] + Math.round(Math.random() * 8 - 4);
        }
      }
    }
  }

  tell(state, more = {}) {
    this.room.broadcast({ type: "render", work: "invert", state, rev: this.room.seq, rect: this.rect, steps: STEPS, ...more });
  }
}
