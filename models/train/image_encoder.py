"""Trains a small image tower to agree with the pipeline's text encoder: together they are the CLIPModel of the scorecard.

The text encoder stays as it is; only the projections of both towers and the image tower learn. Pictures that share
their words are not held against each other: the teacher's likeness of two captions says how alike they should be.
"""

import sys

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from architecture import TEXT_WIDTH, TOKENS, make_text_encoder
from data import CHUNKS, chunk_captions, chunk_paths
from settings import DEVICE, IMAGE_MINUTES, SIZE, WORK, TimeBox, claim_pid, load_checkpoint, save_checkpoint
from text_encoder import load_text_encoder
from tokenizer import load_tokenizer

CHECKPOINT = WORK / "image_encoder.pt"
BATCH, RATE = 96, 1e-3
IMAGE_SIZE = 128
#: The mean and deviation that CLIPImageProcessor takes from pixels; plain ones.
MEAN = STD = (0.5, 0.5, 0.5)


def make_clip():
    """Two towers and their projections; the text tower has the pipeline's shape."""
    text = make_text_encoder().config.to_dict()
    vision = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 6, "image_size": IMAGE_SIZE,
              "patch_size": 16, "hidden_act": "quick_gelu", "projection_dim": TEXT_WIDTH}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=TEXT_WIDTH))


def clip_processor():
    """What makes pixels of a picture for the image tower."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE}, crop_size=size, image_mean=MEAN, image_std=STD)


class Pictures:
    """Small pictures with the vectors of their captions; chunk 0 is held out."""

    def __init__(self, tokenizer, text, seed):
        self.random, self.chunks = np.random.default_rng(seed), []
        for path in chunk_paths()[1:]:
            captions = chunk_captions(path)
            self.chunks.append((np.load(path, mmap_mode="r"), end_vectors(tokenizer, text, captions)))
        names = [int(path.stem.split("-")[1]) for path in chunk_paths()[1:]]
        self.weights = np.array([2.0 if name >= CHUNKS else 1.0 for name in names])
        self.weights /= self.weights.sum()

    def batch(self, count):
        pictures, vectors = [], []
        for _ in range(count):
            images, words = self.chunks[self.random.choice(len(self.chunks), p=self.weights)]
            row = self.random.integers(len(images))
            pictures.append(self.shaken(images[row, 0]))
            vectors.append(words[row])
        return to_pixels(np.stack(pictures)), torch.stack(vectors).to(DEVICE)

    def shaken(self, picture):
        """A slightly smaller part of the picture, sometimes softened, so that the tower judges things and not pixels."""
        side = int(self.random.integers(SIZE * 3 // 4, SIZE + 1))
        top, left = self.random.integers(0, SIZE - side + 1, 2)
        part = torch.from_numpy(picture[top : top + side, left : left + side].copy()).permute(2, 0, 1)[None].float()
        if self.random.random() < 0.3:
            part = F.avg_pool2d(part, 2)
        part = F.interpolate(part, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True)
        return part[0].byte().permute(1, 2, 0).numpy()


def to_pixels(pictures):
    """Bytes (N, S, S, 3) as CLIP takes them."""
    pixels = torch.from_numpy(pictures).to(DEVICE).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.interpolate(pixels, (IMAGE_SIZE, IMAGE_SIZE), mode="area")


@torch.no_grad()
def end_vectors(tokenizer, text, captions):
    """The text tower's pooled vectors, before their projection."""
    ids = tokenizer(captions, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt").input_ids
    return torch.cat([text(input_ids=part.to(DEVICE)).pooler_output.cpu() for part in ids.split(64)])


def train(minutes):
    tokenizer, text = load_tokenizer(), load_text_encoder()
    torch.manual_seed(31)
    clip = make_clip().to(DEVICE)
    parameters = [*clip.vision_model.parameters(), *clip.visual_projection.parameters(), *clip.text_projection.parameters(), clip.logit_scale]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=0.05, betas=(0.9, 0.98))
    state = load_checkpoint(CHECKPOINT) or {"seconds": 0.0, "step": 0}
    if state["step"]:
        clip.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    step, box = state["step"], TimeBox(minutes, state["seconds"])
    pictures = Pictures(tokenizer, text, step)
    mean = 0.0
    while not box.done:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100) * (1 - box.share)
        pixels, words = pictures.batch(BATCH)
        alike = F.normalize(words - words.mean(0), dim=-1)
        wanted = ((alike @ alike.T - 1) / 0.05).softmax(-1)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            seen = clip.visual_projection(clip.vision_model(pixel_values=pixels).pooler_output)
        seen, said = F.normalize(seen.float(), dim=-1), F.normalize(clip.text_projection(words), dim=-1)
        scores = clip.logit_scale.exp().clamp(max=100) * seen @ said.T
        loss = (F.cross_entropy(scores, wanted) + F.cross_entropy(scores.T, wanted.T / wanted.T.sum(-1, keepdim=True))) / 2
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        mean += max(0.02, 1 / step) * ((scores.argmax(-1) == torch.arange(len(scores), device=DEVICE)).float().mean().item() - mean)
        box.tick()
        if step % 50 == 0:
            print(f"step {step} {box.minutes:.1f} min loss {loss.item():.3f} own caption first among {BATCH}: {mean:.2f}")
        if box.save_due() or box.done:
            save_checkpoint(CHECKPOINT, network=clip.state_dict(), optimizer=optimizer.state_dict(), step=step, seconds=box.seconds)
    box.leave()


def load_clip():
    """The trained CLIPModel, its text tower the pipeline's."""
    clip = make_clip().to(DEVICE).eval().requires_grad_(False)
    clip.load_state_dict(load_checkpoint(CHECKPOINT)["network"])
    clip.text_model.load_state_dict(load_text_encoder().state_dict())
    return clip


@torch.no_grad()
def measure():
    """Prints how often a held-out picture's own caption comes first among 100 different ones."""
    tokenizer, clip = load_tokenizer(), load_clip()
    path = chunk_paths()[0]
    images, captions = np.load(path, mmap_mode="r"), chunk_captions(path)
    rows = list({caption: row for row, caption in enumerate(captions) if "photo" not in caption}.values())
    seen = F.normalize(clip.visual_projection(clip.vision_model(pixel_values=to_pixels(np.ascontiguousarray(images[rows, 0]))).pooler_output), dim=-1)
    said = F.normalize(clip.text_projection(end_vectors(tokenizer, clip.text_model, [captions[row] for row in rows]).to(DEVICE)), dim=-1)
    random, hits = np.random.default_rng(5), []
    for index in range(len(rows)):
        others = random.choice([other for other in range(len(rows)) if other != index], min(99, len(rows) - 1), replace=False)
        scores = said[[index, *others]] @ seen[index]
        hits.append(bool(scores.argmax() == 0))
    print(f"own caption first among 100: {np.mean(hits):.2f} of {len(hits)} held-out pictures")


if __name__ == "__main__":
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    if sys.argv[1:] != ["measure"]:
        claim_pid()
        train(IMAGE_MINUTES)
    measure()
