"""Makes the parity fixture of the safety checker: a tiny random StableDiffusionSafetyChecker and its image processor in
folders as diffusers saves them, with pictures, and what diffusers says of them.

    python tests/parity/safety.py

remakes `tests/parity/fixtures/safety/`; the versions it ran with are in `versions.json` there. Weights are rounded to half
precision before anything is computed, as in `networks.py`. Thresholds are set so that every way to be held back, or not,
is taken by one of the pictures.
"""

import shutil
from pathlib import Path

import diffusers
import numpy as np
import PIL
import safetensors
import torch
import transformers
from clip import SIDE, pictures
from diffusers.pipelines.stable_diffusion import safety_checker as module
from networks import noise, randomise
from PIL import Image
from record import record_versions
from safetensors.torch import save_file
from transformers import CLIPConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent / "fixtures" / "safety"
WIDTH = 12
#: The pictures, by what becomes of them.
HARMLESS, CONCEPT, BY_ADJUSTMENT, CARE_ALONE, BOTH = range(5)


def half(values):
    return values.half().float()


def make_checker():
    vision = dict(
        hidden_size=20, intermediate_size=36, num_hidden_layers=3, num_attention_heads=5, image_size=SIDE, patch_size=8,
        layer_norm_eps=1e-4,
    )
    checker = module.StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=WIDTH)).eval()
    for seed, part in enumerate((checker.vision_model, checker.visual_projection)):
        randomise(part, 301 + seed)
    return checker


def aim(checker, values):
    """Concepts that only some of the pictures are near, and thresholds a little below or above their cosines."""
    embeds = checker.visual_projection(checker.vision_model(values)[1])
    embeds = embeds / embeds.norm(dim=1, keepdim=True)
    # Each row is at right angles to all pictures but its own.
    only = torch.linalg.pinv(embeds).T
    only = only / only.norm(dim=1, keepdim=True)
    care = [((CARE_ALONE, BOTH), 0.02), ((BY_ADJUSTMENT,), 0.02), ((BY_ADJUSTMENT,), -0.004)]
    concepts = [((CONCEPT,), 0.02), ((BY_ADJUSTMENT,), -0.006), ((BOTH,), 0.03), ((CARE_ALONE,), -0.02)]
    concepts += [((number % 5,), -0.2) for number in range(13)]
    for name, aims, seed in (("special_care_embeds", care, 321), ("concept_embeds", concepts, 421)):
        rows = [only[list(near)].sum(0) + 0.02 * noise(seed + row, WIDTH) for row, (near, _) in enumerate(aims)]
        rows = half(torch.stack(rows))
        cosines = module.cosine_distance(embeds, rows)
        thresholds = [cosines[list(near), row].min() - by for row, (near, by) in enumerate(aims)]
        getattr(checker, name).copy_(rows)
        getattr(checker, name + "_weights").copy_(half(torch.stack(thresholds)))


def judged(checker, values):
    """What diffusers' own forward rounds its scores to, and its flags."""
    scores = []

    def record(score, digits):
        # So near to a half that another order of sums could round it the other way.
        assert abs(abs(score * 1000) % 1 - 0.5) > 0.005, score
        scores.append(float(round(score, digits)))
        return scores[-1]

    module.round = record
    try:
        _, flags = checker(values, np.zeros((len(values), 1, 1, 3), np.float32))
    finally:
        del module.round
    scores = torch.tensor(scores).reshape(len(values), -1)
    return scores[:, :3], scores[:, 3:], torch.tensor(flags)


@torch.no_grad()
def main():
    shutil.rmtree(HERE, ignore_errors=True)
    torch.use_deterministic_algorithms(True)
    checker = make_checker()
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
        image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.3, 0.25],
    )
    expected, values = {}, []
    for number, picture in enumerate(pictures()):
        expected[f"picture.{number}"] = torch.from_numpy(np.ascontiguousarray(picture))
        values.append(processor(Image.fromarray(picture), return_tensors="pt").pixel_values.float())
    values = torch.cat(values)
    aim(checker, values)
    special, concepts, flags = judged(checker, values)
    assert flags.tolist() == [number in (CONCEPT, BY_ADJUSTMENT, BOTH) for number in range(5)], (special, concepts)
    assert (special > 0).tolist() == [
        [False] * 3, [False] * 3, [False, True, True], [True, False, False], [True, False, False],
    ], special
    assert (concepts[BY_ADJUSTMENT] - 0.01 <= 0).all(), "it would be flagged without the adjustment"
    expected |= {
        "pixel_values": values, "special_scores": special, "concept_scores": concepts, "flags": flags.to(torch.uint8),
    }
    checker.to(torch.float16).save_pretrained(HERE / "safety_checker")
    processor.save_pretrained(HERE / "feature_extractor")
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, HERE / "expected.safetensors")
    record_versions(HERE, PIL, diffusers, safetensors, torch, transformers)


if __name__ == "__main__":
    main()
