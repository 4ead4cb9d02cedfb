"""Makes a model folder of full size with random weights, to see what it costs to load and to run.

    python benches/full_size.py sd15 /tmp/sd15
    /usr/bin/time -v target/release/impasto generate --model /tmp/sd15 --prompt x --steps 1 --out /tmp/x.png --json

Families: sd15, sd-turbo, sdxl, with the shapes of their published configurations. Weights are half precision, as
those are mostly published, and drawn as each layer's own initialisation does. The tokenizer is the bundled model's.
"""

import shutil
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, PNDMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TOKENIZER = Path(__file__).resolve().parent.parent / "models" / "storybook" / "tokenizer"
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
CROSS_DOWN, CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"


def unet(**changes):
    return UNet2DConditionModel(**{"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8} | changes)


def autoencoder(scaling_factor, size):
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=size, scaling_factor=scaling_factor,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )


def text_encoder(cls, tokenizer, width, layers, heads, activation="gelu"):
    return cls(CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads, hidden_act=activation, projection_dim=width,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    ))


def sd15(tokenizer):
    return StableDiffusionPipeline(
        unet=unet(), vae=autoencoder(0.18215, 512), tokenizer=tokenizer,
        text_encoder=text_encoder(CLIPTextModel, tokenizer, 768, 12, 12, "quick_gelu"), scheduler=PNDMScheduler(skip_prk_steps=True, **BETAS),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def sd_turbo(tokenizer):
    return StableDiffusionPipeline(
        unet=unet(cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True), vae=autoencoder(0.18215, 768), tokenizer=tokenizer,
        text_encoder=text_encoder(CLIPTextModel, tokenizer, 1024, 23, 16), scheduler=EulerDiscreteScheduler(timestep_spacing="trailing", **BETAS),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def sdxl(tokenizer):
    network = unet(
        sample_size=128, block_out_channels=(320, 640, 1280), down_block_types=("DownBlock2D", CROSS_DOWN, CROSS_DOWN), up_block_types=(CROSS_UP, CROSS_UP, "UpBlock2D"),
        transformer_layers_per_block=[1, 2, 10], attention_head_dim=[5, 10, 20], cross_attention_dim=2048, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
    )
    return StableDiffusionXLPipeline(
        unet=network, vae=autoencoder(0.13025, 1024), tokenizer=tokenizer, tokenizer_2=tokenizer,
        text_encoder=text_encoder(CLIPTextModel, tokenizer, 768, 12, 12, "quick_gelu"),
        text_encoder_2=text_encoder(CLIPTextModelWithProjection, tokenizer, 1280, 32, 20), scheduler=EulerAncestralDiscreteScheduler(**BETAS),
    )


FAMILIES = {"sd15": sd15, "sd-turbo": sd_turbo, "sdxl": sdxl}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in FAMILIES:
        sys.exit(f"usage: full_size.py {{{','.join(FAMILIES)}}} FOLDER")
    family, folder = sys.argv[1], Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    FAMILIES[family](CLIPTokenizer.from_pretrained(TOKENIZER, model_max_length=77)).save_pretrained(folder)
    print(folder)


if __name__ == "__main__":
    main()
