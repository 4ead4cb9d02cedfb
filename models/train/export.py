"""Writes the diffusers folder from the newest checkpoints, in half precision, file by file in one step each.

With `clip` it writes the CLIPModel beside it instead, whose text tower is the diffusers folder's.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from architecture import make_autoencoder, make_scheduler, make_text_encoder, make_unet
from image_encoder import clip_processor, load_clip
from settings import CLIP_MODEL, MODEL, WORK
from tokenizer import load_tokenizer
from weights import newest_weights

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "LCMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderTiny"],
}


def load_parts():
    """The three networks with the newest averaged weights; random ones where nothing was trained yet."""
    torch.manual_seed(0)
    parts = {"vae": make_autoencoder(), "text_encoder": make_text_encoder(), "unet": make_unet()}
    for name, part in parts.items():
        weights = newest_weights(name)
        if weights is not None:
            part.load_state_dict(weights)
        print(name, "random" if weights is None else "trained", sum(p.numel() for p in part.parameters()))
    return parts


def name_as_on_the_hub(path):
    """Puts the `text_model.` before each name, which published CLIP text encoders have and transformers 5 leaves out."""
    tensors = {name if name.startswith("text_model.") else f"text_model.{name}": tensor for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def write_pipeline(fresh):
    """The diffusers folder's files."""
    for name, part in load_parts().items():
        part.half().save_pretrained(fresh / name, safe_serialization=True)
    name_as_on_the_hub(fresh / "text_encoder" / "model.safetensors")
    make_scheduler().save_pretrained(fresh / "scheduler")
    load_tokenizer()
    shutil.copytree(WORK / "tokenizer", fresh / "tokenizer")
    (fresh / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")


def write_clip(fresh):
    """The CLIPModel's files. What is the pipeline's, its text encoder and tokenizer, are links: nothing is kept twice."""
    clip = load_clip().half()
    clip.config.save_pretrained(fresh)
    clip_processor().save_pretrained(fresh)
    pipeline = Path("..", MODEL.name)
    for path in (MODEL / "tokenizer").iterdir():
        (fresh / path.name).symlink_to(pipeline / "tokenizer" / path.name)
    seeing, reading = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    tensors = {name: tensor.contiguous() for name, tensor in clip.state_dict().items() if not name.startswith("text_model.")}
    save_file(tensors, fresh / seeing, metadata={"format": "pt"})
    (fresh / reading).symlink_to(pipeline / "text_encoder" / "model.safetensors")
    text = load_file(MODEL / "text_encoder" / "model.safetensors")
    size = sum(tensor.nbytes for tensor in [*tensors.values(), *text.values()])
    places = {name: seeing for name in tensors} | {name: reading for name in text}
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
    (fresh / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def export(folder, write):
    """Writes the whole folder beside `folder` and renames its files into place."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".export-", dir=folder.parent))
    try:
        write(fresh)
        for path in sorted(fresh.rglob("*")):
            if path.is_symlink():
                os.replace(path, folder / path.relative_to(fresh))
            elif path.is_file():
                target = folder / path.relative_to(fresh)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)
                os.replace(path, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("pipeline", "clip"), default="pipeline")
    parser.add_argument("folder", nargs="?", type=Path, help="where to; beside this folder when left out")
    options = parser.parse_args()
    if options.what == "clip":
        export(options.folder or CLIP_MODEL, write_clip)
    else:
        export(options.folder or MODEL, write_pipeline)
