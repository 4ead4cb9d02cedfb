"""How well pictures fit their words and one another, as a CLIPModel sees it."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from settings import DEVICE
from tokenizer import token_ids

BATCH = 32


class Clip:
    """A CLIPModel's folder with its own preprocessor and tokenizer."""

    def __init__(self, folder):
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).to(DEVICE).eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder)
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def features(self, pictures):
        """The image tower's pooled features (N, 192), before their projection, of bytes (N, S, S, 3)."""
        parts = []
        for start in range(0, len(pictures), BATCH):
            images = [Image.fromarray(picture) for picture in pictures[start : start + BATCH]]
            pixels = self.processor(images=images, return_tensors="pt").pixel_values.to(DEVICE)
            parts.append(self.model.vision_model(pixel_values=pixels).pooler_output)
        return torch.cat(parts)

    @torch.no_grad()
    def seen(self, pictures):
        """Unit vectors of pictures."""
        return F.normalize(self.model.visual_projection(self.features(pictures)), dim=-1).cpu().numpy()

    @torch.no_grad()
    def said(self, texts):
        """Unit vectors of texts."""
        parts = []
        for start in range(0, len(texts), BATCH):
            ids = token_ids(self.tokenizer, list(texts[start : start + BATCH]))
            parts.append(self.model.text_projection(self.model.text_model(input_ids=ids.to(DEVICE)).pooler_output))
        return F.normalize(torch.cat(parts), dim=-1).cpu().numpy()


def clip_score(seen, said):
    """The mean over pictures of 100 max(0, cosine) between a picture and its words (CLIPScore, Hessel et al., 2021, in
    torchmetrics' scale)."""
    return float(100 * np.maximum(0, (seen * said).sum(-1)).mean())


def own_caption_first(seen, said):
    """The share of pictures whose own caption comes first among all; row i of `said` is picture i's caption, and no
    two are alike."""
    return float(((seen @ said.T).argmax(1) == np.arange(len(seen))).mean())


def frechet_distance(features, others):
    """Between two sets of features (N, D), taken as normal distributions (Heusel et al., 2017): the squared distance of
    their means and the trace of A + B - 2 (A B)^1/2."""
    features, others = (np.asarray(array, np.float64) for array in (features, others))
    means = features.mean(0) - others.mean(0)
    first, second = np.cov(features.T), np.cov(others.T)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The eigenvalues of A B are those of A^1/2 B A^1/2, which is symmetric.
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(means @ means + np.trace(first) + np.trace(second) - 2 * shared)


def cell_colours(pictures, cell=32):
    """The mean colour of each square of `cell` pixels, (N, cells, 3)."""
    count, side = len(pictures), pictures.shape[1] // cell
    cells = pictures.reshape(count, side, cell, side, cell, 3).astype(np.float32).mean((2, 4))
    return cells.reshape(count, side * side, 3)


def layout_correlation(pictures, sketches):
    """Pearson's correlation of the cells' mean colours, over the cells of all pictures, and its mean over single
    pictures (those whose sketch is not one colour all over)."""
    made, drawn = cell_colours(pictures), cell_colours(sketches)
    varied = [(ours.ravel(), theirs.ravel()) for ours, theirs in zip(made, drawn) if theirs.std() > 1 and ours.std() > 0]
    single = [np.corrcoef(ours, theirs)[0, 1] for ours, theirs in varied]
    return float(np.corrcoef(made.ravel(), drawn.ravel())[0, 1]), float(np.mean(single))
