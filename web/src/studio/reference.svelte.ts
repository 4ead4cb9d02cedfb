import { forgetPicture, keepPicture, keptPicture } from "./kept-pictures";
import { recall, remember } from "./storage";

/** Where the window lies on the page, in CSS pixels. */
export interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The least that a window has to each side. */
const LEAST = { width: 240, height: 180 } as const;
/** What of a window can always be taken hold of. */
const IN_SIGHT = 60;
const NAME = "reference";

/** A picture to look at beside one's own. It is nobody else's: it stays in this browser, and no server sees it. */
export class Reference {
  open = $state(false);
  picture = $state.raw<ImageBitmap | undefined>(undefined);
  /** Undefined until the window was moved: it lies where there is room. */
  place = $state.raw<Place | undefined>(recall<Place>("reference"));
  #asked = false;

  /** Shows the window, with the picture of the last visit, or puts it away. */
  toggle(): void {
    this.open = !this.open;
    if (this.#asked) return;
    this.#asked = true;
    void this.#recall();
  }

  /** Takes another picture; false where it cannot be read. */
  async take(file: Blob): Promise<boolean> {
    this.#asked = true;
    const picture = await createImageBitmap(file).catch(() => undefined);
    if (!picture) return false;
    this.picture?.close();
    this.picture = picture;
    await keepPicture(NAME, file);
    return true;
  }

  /** Forgets the picture, here and for the next visit. */
  async clear(): Promise<void> {
    this.picture?.close();
    this.picture = undefined;
    await forgetPicture(NAME);
  }

  /** Moves the window, or makes it another size. */
  put(place: Place, page: { width: number; height: number }): void {
    this.place = placedWithin(place, page);
    remember("reference", this.place);
  }

  async #recall(): Promise<void> {
    const file = await keptPicture(NAME);
    const picture = file && (await createImageBitmap(file).catch(() => undefined));
    if (picture && !this.picture) this.picture = picture;
  }
}

/** The same window, so that it can be taken hold of on a page of this size. */
export function placedWithin({ x, y, width, height }: Place, page: { width: number; height: number }): Place {
  const size = {
    width: Math.min(Math.max(LEAST.width, width), Math.max(LEAST.width, page.width - 16)),
    height: Math.min(Math.max(LEAST.height, height), Math.max(LEAST.height, page.height - 16)),
  };
  return {
    ...size,
    x: Math.min(page.width - IN_SIGHT, Math.max(IN_SIGHT - size.width, x)),
    y: Math.min(page.height - IN_SIGHT, Math.max(0, y)),
  };
}
