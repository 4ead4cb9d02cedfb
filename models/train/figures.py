"""The model card's figures, on the held-out chunk of pictures, sketches and captions."""

import numpy as np
import torch

from autoencoder import held_out_psnr
from concepts import bare_name
from data import chunk_captions, chunk_contents, chunk_paths
from mottle import mottle_of_sketches
from scores import clip_score, frechet_distance, layout_correlation, own_caption_first

#: The base model's sampling: DDIM steps, and a guidance_scale between none and harsh, not searched for.
BASE_STEPS, BASE_GUIDANCE = 50, 2.0
FEW_STEPS = (1, 2, 4)
#: Captions that pictures are painted from, and that each picture's own is ranked among; the steps at which they are painted.
AMONG, RANKED_STEPS = 100, 2
#: The steps at which sketches are refined: what the server does.
REFINED_STEPS = RANKED_STEPS


class HeldOut:
    """Chunk 0, of which no stage of the training saw anything."""

    def __init__(self, count=None):
        path = chunk_paths()[0]
        stored, captions = np.load(path, mmap_mode="r"), chunk_captions(path)
        #: Bytes (N, S, S, 3); sketches (N, sketches, S, S, 3).
        self.pictures, self.sketches = np.ascontiguousarray(stored[:count, 0]), np.ascontiguousarray(stored[:count, 1:])
        self.captions = captions[:count]
        #: A row for each of AMONG captions of different content: nobody could rank "apple" and "red apple" before one another.
        self.rows = distinct_rows(chunk_contents(path)[:count], self.captions)[:AMONG]


def distinct_rows(contents, captions):
    """The first row of each content whose caption, too, is no other's."""
    rows, seen = [], set()
    for row, (content, caption) in enumerate(zip(contents, captions)):
        keys = {content, bare_name(caption)}
        if content and not keys & seen:
            rows.append(row)
            seen |= keys
    return rows


def words_figures(painter, clip, held, guidance=BASE_GUIDANCE, variation=0.0, base=True):
    """Retrieval and CLIP scores of pictures painted from the held-out captions, and of the real ones; the base model's only
    where `base` is set."""
    captions = [held.captions[row] for row in held.rows]
    said = clip.said(captions)
    real = clip.seen(held.pictures[held.rows])
    sources = {"from words": None, "from words and a sketch": held.sketches[held.rows, 0]}
    figures = {
        "captions": len(captions),
        "real": {"clip_score": clip_score(real, said), "own_caption_first": own_caption_first(real, said)},
        # What any picture gets for the words of any other: the floor that scores stand on.
        "others_words": {"clip_score": clip_score(real, np.roll(said, 1, 0))},
        "guidance": guidance,
        "variation": variation,
    }
    for source, sketches in sources.items():
        few = {steps: clip.seen(painter.paint(sketches, captions, steps, variation=variation)) for steps in FEW_STEPS}
        many = base and clip_score(clip.seen(painter.paint(sketches, captions, BASE_STEPS, guidance, many=True)), said)
        figures[source] = {
            "own_caption_first": own_caption_first(few[RANKED_STEPS], said),
            "base_clip_score": many or None,
            "clip_score": {str(steps): clip_score(seen, said) for steps, seen in few.items()},
        }
        print("words:", source, figures[source], flush=True)
    return figures


def refinement_figures(painter, clip, held, variation=0.0):
    """What painting over the held-out sketches does to their distance from real pictures, and to their layout."""
    sketches = held.sketches.reshape(-1, *held.sketches.shape[2:])
    each = held.sketches.shape[1]
    captions = [caption for caption in held.captions for _ in range(each)]
    refined = painter.paint(sketches, captions, REFINED_STEPS, variation=variation)
    features = {
        "raw": clip.features(sketches), "refined": clip.features(refined), "autoencoder": clip.features(painter.through_autoencoder(held.pictures)),
    }
    real = clip.features(held.pictures)
    kept, kept_each = layout_correlation(refined, sketches)
    own, own_each = layout_correlation(np.repeat(held.pictures, each, 0), sketches)
    figures = {"pictures": len(held.pictures), "sketches": len(sketches), "layout": kept, "layout_each": kept_each, "real_layout": own, "real_layout_each": own_each}
    figures["frechet"] = {name: frechet_distance(some.cpu(), real.cpu()) for name, some in features.items()}
    print("refinement:", figures, flush=True)
    return figures


@torch.no_grad()
def all_figures(painter, clip, count=None, guidance=BASE_GUIDANCE, variation=0.0, base=True):
    """Everything in the card's table, as a dictionary for JSON; from the first `count` pictures only, if given."""
    held = HeldOut(count)
    return {
        "words": words_figures(painter, clip, held, guidance, variation, base),
        "refinement": refinement_figures(painter, clip, held, variation),
        "mottle": mottle_of_sketches(painter, REFINED_STEPS, variation),
        "autoencoder": held_out_psnr(painter.vae),
    }


def table(figures):
    """The figures as Markdown."""
    words, refinement, autoencoder = figures["words"], figures["refinement"], figures["autoencoder"]
    rows = [f"| from {words['captions']} held-out captions | words alone | words and a rough sketch | real pictures |", "|---|---|---|---|"]
    alone, sketched, real = words["from words"], words["from words and a sketch"], words["real"]
    percent = lambda share: f"{100 * share:.0f} %"
    rows.append(f"| own caption first among them, {RANKED_STEPS} steps | {percent(alone['own_caption_first'])} | {percent(sketched['own_caption_first'])} | {percent(real['own_caption_first'])} |")
    with_base = alone["base_clip_score"] is not None
    beside = ", of the base's" if with_base else ""
    if with_base:
        rows.append(f"| CLIP score, {BASE_STEPS} DDIM steps, guidance {words['guidance']:g} | {alone['base_clip_score']:.1f} | {sketched['base_clip_score']:.1f} | {real['clip_score']:.1f} |")
    for steps in reversed(FEW_STEPS):
        cells = [f"{some['clip_score'][str(steps)]:.1f}" + (f" ({percent(some['clip_score'][str(steps)] / some['base_clip_score'])})" if with_base else "") for some in (alone, sketched)]
        rows.append(f"| CLIP score, {steps} step{'s' * (steps > 1)}{beside} | {' | '.join(cells)} | |")
    rows += ["", f"A real picture's CLIP score with another's caption is {words['others_words']['clip_score']:.1f}.", ""]
    distances = refinement["frechet"]
    rows += [f"| {refinement['sketches']} held-out sketches, beside {refinement['pictures']} real pictures | raw | refined in {REFINED_STEPS} steps | |", "|---|---|---|---|"]
    rows.append(f"| Fréchet distance to the real pictures, pooled image features before projection | {distances['raw']:.2f} | {distances['refined']:.2f} | "
                f"{percent(distances['refined'] / distances['raw'])} of the raw; real through the autoencoder {distances['autoencoder']:.2f} |")
    rows.append(f"| mean colour of 32-pixel cells, correlation with the sketch | 1 | {refinement['layout']:.3f} | {refinement['layout_each']:.3f} as a mean over pictures; "
                f"the real pictures' {refinement['real_layout']:.3f} and {refinement['real_layout_each']:.3f} |")
    rows += ["", f"| 32 sketches by hand, {REFINED_STEPS} steps: areas of one flat colour | areas | deviation after subtracting a blur of 8 pixels |", "|---|---|---|"]
    rows += [f"| {name} | {some['areas']} | {some['deviation']:.2f} of 255 |" for name, some in figures["mottle"].items()]
    rows += ["", "| autoencoder, held-out pictures | PSNR, mean over pictures |", "|---|---|"]
    rows += [f"| {name}, {some['count']} | {some['mean']:.1f} dB |" for name, some in autoencoder.items()]
    return "\n".join(rows)
