"""Makes the parity fixture of the scorecard's judge: a tiny random CLIPModel in a folder as transformers saves it,
with pictures, texts and what transformers computes from them.

    python tests/parity/clip.py

remakes `tests/parity/fixtures/clip/`; the versions it ran with are in `versions.json` there. Weights are rounded to half
precision before anything is computed, as in `networks.py`.
"""

import shutil
from pathlib import Path

import numpy as np
import PIL
import safetensors
import torch
import transformers
from networks import BEGIN, END, PROMPTS, VOCAB, noise, randomise, tokenizer
from PIL import Image
from record import record_versions
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent / "fixtures" / "clip"
LENGTH, SIDE = 20, 32
#: Width, height: larger and smaller than the tower's pictures, upright and lying, already right, and cropped by an odd rest.
SIZES = [(45, 61), (50, 20), (SIDE, SIDE), (97, 41), (7, 9)]


def make_clip():
    """Towers of different widths and heads, projected to a third width."""
    text = dict(
        vocab_size=len(VOCAB), hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=LENGTH, bos_token_id=VOCAB[BEGIN], eos_token_id=VOCAB[END], pad_token_id=VOCAB[END],
    )
    vision = dict(
        hidden_size=20, intermediate_size=36, num_hidden_layers=3, num_attention_heads=5, image_size=SIDE, patch_size=8,
        layer_norm_eps=1e-4,
    )
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).eval()
    parts = (clip.text_model, clip.vision_model, clip.text_projection, clip.visual_projection)
    for seed, part in enumerate(parts):
        randomise(part, 201 + seed)
    with torch.no_grad():
        clip.logit_scale.fill_(torch.tensor(2.3).half().float())
    return clip


def pictures():
    """Smooth and hard edges, full range: where resamplers differ."""
    for number, (width, height) in enumerate(SIZES):
        coarse = noise(210 + number, height // 5 + 1, width // 5 + 1, 3)
        blocks = coarse.repeat_interleave(5, 0).repeat_interleave(5, 1)[:height, :width]
        fine = 0.3 * noise(230 + number, height, width, 3)
        yield ((blocks + fine) * 70 + 128).clamp(0, 255).byte().numpy()


@torch.no_grad()
def main():
    shutil.rmtree(HERE, ignore_errors=True)
    torch.use_deterministic_algorithms(True)
    clip, tok = make_clip(), tokenizer(LENGTH)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
        image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.3, 0.25],
    )
    expected, values = {}, []
    for number, picture in enumerate(pictures()):
        expected[f"picture.{number}"] = torch.from_numpy(np.ascontiguousarray(picture))
        seen = processor(Image.fromarray(picture), return_tensors="pt").pixel_values
        expected[f"pixel_values.{number}"] = seen[0].float().contiguous()
        values.append(seen.float())
    ids = tok(PROMPTS[:3] + PROMPTS[-1:], padding="max_length", truncation=True, return_tensors="pt").input_ids
    output = clip(input_ids=ids, pixel_values=torch.cat(values))
    expected |= {
        "ids": ids,
        "text_features": clip.get_text_features(input_ids=ids).pooler_output,
        "image_features": clip.get_image_features(pixel_values=torch.cat(values)).pooler_output,
        "logits_per_image": output.logits_per_image,
    }
    clip.to(torch.float16).save_pretrained(HERE)
    tok.save_pretrained(HERE)
    processor.save_pretrained(HERE)
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, HERE / "expected.safetensors")
    record_versions(HERE, PIL, safetensors, torch, transformers)


if __name__ == "__main__":
    main()
