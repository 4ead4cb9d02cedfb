import type { Clock, Rect, RenderNews, RenderState } from "../../client/src";
import type { Notices } from "./notices.svelte";

/** A region that is being rendered. */
export interface BusyRegion {
  key: string;
  rev: number;
  rect: Rect;
  /** Whose painting it is, where the server says so. */
  client: string | undefined;
}

/** What renders need from outside. */
export interface RendersOptions {
  clock: Clock;
  notices: Notices;
  /** A render is done. */
  done: () => void;
  /** The pixels of everything up to `rev` are shown under the rectangle, or everywhere: its ink goes. */
  retire: (rev: number, rect?: Rect) => void;
}

const RENDER_FORGOTTEN_MS = 30_000;
/** How long ink may wait for pixels of a finished render that changed nothing under it. */
const UNCHANGED_MS = 600;
/** When nothing is rendered any more, ink outside the rendered regions goes too. */
const RESTING_MS = 2500;

/** What the server renders in this room, and how that went. */
export class Renders {
  busy = $state<BusyRegion[]>([]);
  counts = $state<Record<RenderState, number>>({ started: 0, progress: 0, done: 0, superseded: 0, failed: 0 });
  /** Milliseconds by stage of the last one that told. */
  timings = $state.raw<Record<string, number> | undefined>(undefined);
  readonly #options: RendersOptions;

  constructor(options: RendersOptions) {
    this.#options = options;
  }

  /** Nothing is known to run. */
  welcome(): void {
    this.busy = [];
  }

  hear(news: RenderNews): void {
    const { clock, notices, done, retire } = this.#options;
    const key = `${news.rev}:${news.rect.join(",")}`;
    this.counts = { ...this.counts, [news.state]: this.counts[news.state] + 1 };
    if (news.state === "started") {
      this.busy = [...this.busy.filter((region) => region.key !== key), { key, rev: news.rev, rect: news.rect, client: news.client }];
      clock.after(RENDER_FORGOTTEN_MS, () => this.#idle(key));
      return;
    }
    this.#idle(key);
    if (news.timings_ms) this.timings = news.timings_ms;
    if (news.state === "failed") {
      notices.trouble(news.message ?? "A region could not be rendered; paint there again to retry.");
    }
    if (news.state !== "done") return;
    done();
    // Frames come where pixels changed; where none did, the ink goes a little later.
    clock.after(UNCHANGED_MS, () => retire(news.rev, news.rect));
    clock.after(RESTING_MS, () => {
      if (this.busy.length === 0) retire(news.rev);
    });
  }

  #idle(key: string): void {
    this.busy = this.busy.filter((region) => region.key !== key);
  }
}
