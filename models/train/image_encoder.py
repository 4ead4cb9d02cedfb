"""Trains a small image tower to agree with the pipeline's text encoder: together they are the CLIPModel of the scorecard.

The text encoder stays as it is; only the projections of both towers and the image tower learn. Pictures that share
their words are not held against each other: the teacher's likeness of two captions says how alike they should be.
"""

import sys

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from architecture import TEXT_WIDTH, make_text_encoder
from autoencoder import to_tensor
from data import chunk_captions, chunk_paths
from figures import HeldOut
from muon import Muon
from precision import fast
from scenes import Studio
from scores import own_caption_first
from settings import DEVICE, IMAGE_MINUTES, WORK, TimeBox, claim_pid, load_checkpoint, replace_file, save_checkpoint
from text_encoder import load_text_encoder
from tokenizer import load_tokenizer, token_ids

CHECKPOINT = WORK / "image_encoder.pt"
BATCH = 96
#: Captions of other pictures that a picture is held against, beside those of its batch.
OTHERS = 928
#: Muon's learning rate; Adam, for what is not a matrix inside the tower, takes a share of it.
RATE, ENDS_SHARE = 0.02, 0.05
IMAGE_SIZE = 128
#: The size at which pictures wait; a part of them is then seen at IMAGE_SIZE.
KEPT_SIZE = 160
#: Scenes made beside those of the chunks: they need no sketches.
SCENES = 3000
#: The mean and deviation that CLIPImageProcessor takes from pixels; plain ones.
MEAN = STD = (0.5, 0.5, 0.5)


def make_clip():
    """Two towers and their projections; the text tower has the pipeline's shape."""
    text = make_text_encoder().config.to_dict()
    vision = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 3, "image_size": IMAGE_SIZE,
              "patch_size": 16, "hidden_act": "quick_gelu", "projection_dim": TEXT_WIDTH}
    # Tokens are few: plain attention is faster to learn with than the fused kernel.
    return CLIPModel._from_config(CLIPConfig(text_config=text, vision_config=vision, projection_dim=TEXT_WIDTH), attn_implementation="eager")


def clip_processor():
    """What makes pixels of a picture for the image tower."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE}, crop_size=size, image_mean=MEAN, image_std=STD)


def made_pictures():
    """The pictures of all chunks but the held-out one, and scenes made for this stage alone; with their captions."""
    store = WORK / "clip_pictures.npz"
    if not store.exists():
        pictures, captions = [], []
        for path in chunk_paths()[1:]:
            captions += chunk_captions(path)
            pictures += [shrunk(row[0]) for row in np.load(path, mmap_mode="r")]
        studio = Studio(61)
        for _ in range(SCENES):
            scene = studio.make()
            captions.append(scene.caption)
            pictures.append(shrunk(np.clip(scene.image + 0.5, 0, 255).astype(np.uint8)))
        replace_file(store, lambda path: np.savez(open(path, "wb"), pictures=np.stack(pictures), captions=np.array(captions)))
    stored = np.load(store)
    return stored["pictures"], stored["captions"].tolist()


def shrunk(picture):
    return cv2.resize(picture, (KEPT_SIZE, KEPT_SIZE), interpolation=cv2.INTER_AREA)


class Pictures:
    """Small pictures with the vectors of their captions, and the vectors of all captions."""

    def __init__(self, tokenizer, text, seed):
        self.random = np.random.default_rng(seed)
        self.pictures, captions = made_pictures()
        distinct = sorted(set(captions))
        places = {caption: place for place, caption in enumerate(distinct)}
        self.places = np.array([places[caption] for caption in captions])
        self.vectors = end_vectors(tokenizer, text, distinct).to(DEVICE)
        # A caption that belongs to very many pictures is not seen so much more often than the others.
        self.weights = 1 / np.sqrt(np.bincount(self.places)[self.places])
        self.weights /= self.weights.sum()

    def batch(self, count):
        """Pixels (count, 3, S, S) and the vectors of their captions first, then of others."""
        rows = self.random.choice(len(self.pictures), count, p=self.weights)
        others = self.random.choice(len(self.vectors), OTHERS, replace=False)
        return self.shaken(self.pictures[rows]), self.vectors[np.concatenate([self.places[rows], others])]

    def shaken(self, pictures):
        """Slightly smaller parts of the pictures, some of them softened, so that the tower judges things and not pixels."""
        pixels = to_tensor(pictures)
        some = torch.from_numpy(self.random.random(len(pixels)) < 0.3)
        pixels[some] = F.avg_pool2d(F.pad(pixels[some], (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        scale = torch.from_numpy(self.random.uniform(0.75, 1, len(pixels))).float()
        shift = torch.from_numpy(self.random.uniform(-1, 1, (len(pixels), 2))).float() * (1 - scale[:, None])
        places = torch.zeros(len(pixels), 2, 3)
        places[:, 0, 0] = places[:, 1, 1] = scale
        places[:, :, 2] = shift
        grid = F.affine_grid(places.to(DEVICE), (len(pixels), 3, IMAGE_SIZE, IMAGE_SIZE), align_corners=False)
        light = torch.from_numpy(self.random.uniform(-0.1, 0.1, len(pixels))).float().to(DEVICE)
        return (F.grid_sample(pixels, grid, padding_mode="border", align_corners=False) + light[:, None, None, None]).clamp(-1, 1)


def to_pixels(pictures):
    """Bytes (N, S, S, 3) as CLIP takes them."""
    return F.interpolate(to_tensor(pictures), (IMAGE_SIZE, IMAGE_SIZE), mode="area")


@torch.no_grad()
def end_vectors(tokenizer, text, captions):
    """The text tower's pooled vectors, before their projection."""
    ids = token_ids(tokenizer, captions)
    return torch.cat([text(input_ids=part.to(DEVICE)).pooler_output.cpu() for part in ids.split(64)])


def optimizers_of(clip):
    """Muon for the image tower's matrices, Adam for the rest; the text tower stays."""
    tower = list(clip.vision_model.encoder.parameters())
    inner = [parameter for parameter in tower if parameter.ndim > 1]
    known = {id(parameter) for parameter in inner}
    learning = [*clip.vision_model.parameters(), *clip.visual_projection.parameters(), *clip.text_projection.parameters(), clip.logit_scale]
    ends = [parameter for parameter in learning if id(parameter) not in known]
    return [Muon(inner), torch.optim.AdamW(ends, betas=(0.9, 0.98), weight_decay=0.0)]


def likeness(words):
    """For each vector of the first BATCH, how much of the whole each of all vectors may claim for itself."""
    alike = F.normalize(words - words.mean(0), dim=-1)
    return ((alike[:BATCH] @ alike.T - 1) / 0.05).softmax(-1)


def train(minutes):
    tokenizer, text = load_tokenizer(), load_text_encoder()
    torch.manual_seed(31)
    clip = make_clip().to(DEVICE)
    # What the text encoder learned from its teacher is a good place to begin.
    torch.nn.init.eye_(clip.text_projection.weight)
    optimizers = optimizers_of(clip)
    state = load_checkpoint(CHECKPOINT) or {"seconds": 0.0, "step": 0}
    if "network" in state:
        clip.load_state_dict(state["network"])
    for optimizer, saved in zip(optimizers, state.get("optimizers", ())):
        optimizer.load_state_dict(saved)
    step, box = state["step"], TimeBox(minutes, state["seconds"])
    pictures = Pictures(tokenizer, text, step)
    mean = 0.0
    while not box.done:
        rate = RATE * min(1, (step + 1) / 100) * (1 - box.share)
        for optimizer, share in zip(optimizers, (1, ENDS_SHARE)):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        pixels, words = pictures.batch(BATCH)
        wanted = likeness(words)
        with fast():
            seen = clip.visual_projection(clip.vision_model(pixel_values=pixels).pooler_output)
        seen, said = F.normalize(seen.float(), dim=-1), F.normalize(clip.text_projection(words), dim=-1)
        scores = clip.logit_scale.exp().clamp(max=100) * seen @ said.T
        own, claims = scores[:, :BATCH].T, wanted[:, :BATCH].T
        loss = (F.cross_entropy(scores, wanted) + F.cross_entropy(own, claims / claims.sum(-1, keepdim=True))) / 2
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        mean += max(0.02, 1 / step) * ((scores.argmax(-1) == torch.arange(len(scores), device=DEVICE)).float().mean().item() - mean)
        box.tick()
        if step % 50 == 0:
            print(f"step {step} {box.minutes:.1f} min loss {loss.item():.3f} own caption first among {BATCH + OTHERS}: {mean:.2f}")
        if box.save_due() or box.done:
            states = {"network": clip.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
            save_checkpoint(CHECKPOINT, step=step, seconds=box.seconds, **states)
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
    held = HeldOut()
    captions = [held.captions[row] for row in held.rows]
    seen = F.normalize(clip.visual_projection(clip.vision_model(pixel_values=to_pixels(held.pictures[held.rows])).pooler_output), dim=-1)
    said = F.normalize(clip.text_projection(end_vectors(tokenizer, clip.text_model, captions).to(DEVICE)), dim=-1)
    print(f"own caption first among {len(captions)} held-out pictures: {own_caption_first(seen.cpu().numpy(), said.cpu().numpy()):.2f}")



if __name__ == "__main__":
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    if sys.argv[1:] != ["measure"]:
        claim_pid()
        train(IMAGE_MINUTES)
    measure()
