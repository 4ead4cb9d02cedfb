"""Makes the parity fixtures of the networks: tiny random pipelines of every family, written by
diffusers, with fixed inputs and what diffusers computes from them.

    python tests/parity/networks.py

remakes `tests/parity/fixtures/networks/`. The versions it ran with are in `versions.json` there.
Weights are rounded to half precision before anything is computed, so that the small files hold
exactly what the expected outputs were computed from, in float32.
"""

import json
import shutil
from pathlib import Path

import diffusers
import peft
import safetensors
import tokenizers
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.utils.state_dict_utils import convert_state_dict_to_kohya
from peft import LoraConfig, get_peft_model_state_dict
from record import record_versions
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = Path(__file__).parent / "fixtures" / "networks"
BEGIN, END = "<|startoftext|>", "<|endoftext|>"

PROMPTS = [
    "",
    "red apple",
    "a RED  apple,\n\ton   the table!",
    "don't you'll we're I'd it's they've I'm",
    "naïve café Ünïcödé ﬁ Ａ",
    "e\u0301te\u0301 (decomposed)",
    "日本語のプロンプト 中文",
    "🍎🎨 emoji",
    "numbers 123 4.5 1/2 x86_64",
    "<|startoftext|> sea <|endoftext|> meadow",
    "<|endoftext|>",
    "punctuation... (((brackets))) [square] {curly} -- dash — em 'quote' \"double\"",
    " leading and trailing \u00a0 spaces ",
    "a\u0000b\u200bc\ufeffd",
    "supercalifragilisticexpialidocious",
    "ǅ İ ß ẞ Σς",
    "a storybook picture of " + "green hills and a blue sea and " * 40,
]

CORPUS = """a red apple on the table. the green hills under a sunset sky, a storybook picture.
sea and meadow, forest and mountain, snow and rain; a house with a red roof, two pine trees.
smiling face, cat, dog, fish, rocket, boat, castle, moon and stars over the lake with reflections.
you'll see it's a picture of the sea, they've painted the apple tree; numbers 1 2 3 and emoji."""


def tokenizer_files():
    """CLIP's kind of vocabulary, trained on a few lines: bytes, bytes at a word's end, merges."""
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    reference = CLIPTokenizer(vocab={BEGIN: 0, END: 1}, merges=[])
    trained.normalizer = reference.backend_tokenizer.normalizer
    trained.pre_tokenizer = reference.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=700, end_of_word_suffix="</w>", special_tokens=[], show_progress=False
    )
    trained.train_from_iterator(CORPUS.splitlines(), trainer)
    merges = [tuple(merge) for merge in json.loads(trained.to_str())["model"]["merges"]][:90]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = alphabet + [letter + "</w>" for letter in alphabet]
    for left, right in merges:
        if left + right not in words:
            words.append(left + right)
    return {word: number for number, word in enumerate(words + [BEGIN, END])}, merges


VOCAB, MERGES = tokenizer_files()


def tokenizer(length, pad_token=END):
    return CLIPTokenizer(
        vocab=dict(VOCAB), merges=list(MERGES), model_max_length=length, pad_token=pad_token
    )


@torch.no_grad()
def randomise(module, seed):
    """Nothing at its usual start: norms are not 1, biases are not 0, weights are not tiny."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
            noise = 1 + 0.2 * noise
        elif parameter.ndim == 1:
            noise = 0.1 * noise
        elif "embedding" in name and "linear" not in name and "cond_proj" not in name:
            noise = 0.5 * noise
        else:
            noise = noise / (parameter[0].numel() ** 0.5)
        parameter.copy_(noise.half().float())
    return module.eval()


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unet(seed, **config):
    usual = dict(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    return randomise(UNet2DConditionModel(**{**usual, **config}), seed)


def text_encoder(seed, length, cls=CLIPTextModel, **config):
    usual = dict(
        vocab_size=len(VOCAB),
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=length,
        projection_dim=20,
        bos_token_id=VOCAB[BEGIN],
        eos_token_id=VOCAB[END],
        pad_token_id=VOCAB[END],
    )
    return randomise(cls(CLIPTextConfig(**{**usual, **config})), seed)


def tiny_vae(seed, latent_channels=4, blocks=(1, 1, 1, 1), width=8, **config):
    width = (width,) * len(blocks)
    return randomise(
        AutoencoderTiny(
            latent_channels=latent_channels,
            encoder_block_out_channels=width,
            decoder_block_out_channels=width,
            num_encoder_blocks=blocks,
            num_decoder_blocks=tuple(reversed(blocks)),
            **config,
        ),
        seed,
    )


def kl_vae(seed, **config):
    return randomise(
        AutoencoderKL(
            block_out_channels=(8, 16, 16, 16),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=64,
            **config,
        ),
        seed,
    )


STABLE_DIFFUSION = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
)


class Expected:
    """Inputs and outputs of one family, by name."""

    def __init__(self):
        self.tensors = {}

    def put(self, **tensors):
        for name, tensor in tensors.items():
            assert torch.isfinite(tensor.float()).all(), name
            self.tensors[name.replace("__", ".")] = tensor.contiguous().clone()

    @torch.no_grad()
    def unet(self, model, name="unet", size=(8, 4), tokens=7, seed=1, **conditioning):
        """Two rows at different timesteps, not square."""
        sample = noise(seed, 2, model.config.in_channels, *size)
        timesteps = torch.tensor([999.0, 259.0])
        width = model.config.cross_attention_dim
        states = noise(seed + 1, 2, tokens, width if isinstance(width, int) else width[0])
        added = {key: conditioning[key] for key in ("text_embeds", "time_ids") if key in conditioning}
        output = model(
            sample,
            timesteps,
            states,
            timestep_cond=conditioning.get("timestep_cond"),
            encoder_attention_mask=conditioning.get("encoder_attention_mask"),
            added_cond_kwargs=added or None,
        ).sample
        self.put(
            **{
                f"{name}__sample": sample,
                f"{name}__timesteps": timesteps,
                f"{name}__encoder_hidden_states": states,
                f"{name}__output": output,
            },
            **{f"{name}__{key}": value for key, value in conditioning.items()},
        )

    @torch.no_grad()
    def vae(self, model, seed=11):
        scale = 2 ** (len(model.config.block_out_channels) - 1)
        image = noise(seed, 2, 3, 4 * scale, 2 * scale).clamp(-1, 1)
        encoded = model.encode(image)
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        shift = model.config.get("shift_factor") or 0
        latents = (latents - shift) * model.config.scaling_factor
        given = 1.5 * noise(seed + 1, 2, model.config.latent_channels, 2, 3)
        decoded = model.decode(given / model.config.scaling_factor + shift).sample
        self.put(vae__image=image, vae__latents=latents, vae__given=given, vae__decoded=decoded)

    @torch.no_grad()
    def text(self, model, tok, name="text"):
        prompts = PROMPTS[:3] + PROMPTS[-1:]
        ids = tok(
            prompts, padding="max_length", max_length=tok.model_max_length, truncation=True,
            return_tensors="pt",
        ).input_ids
        output = model(ids, output_hidden_states=True)
        self.put(
            **{
                f"{name}__ids": ids,
                f"{name}__last_hidden_state": output.last_hidden_state,
                f"{name}__penultimate_hidden_state": output.hidden_states[-2],
            }
        )
        if hasattr(output, "text_embeds"):
            self.put(**{f"{name}__text_embeds": output.text_embeds})


def write(family, pipeline, expected, variant=None, max_shard_size=None):
    folder = HERE / family
    pipeline.to(dtype=torch.float16)
    options = {"variant": variant} if variant else {}
    if max_shard_size:
        options["max_shard_size"] = max_shard_size
    pipeline.save_pretrained(folder, **options)
    save_file(expected.tensors, folder / "expected.safetensors")
    shutil.rmtree(folder / "feature_extractor", ignore_errors=True)
    for readme in folder.rglob("README.md"):
        readme.unlink()


def write_tokens(family, folder, length):
    """What transformers makes of the prompts, from the files as they were saved."""
    tok = CLIPTokenizer.from_pretrained(HERE / family / folder)
    rows = []
    for prompt in PROMPTS:
        ids = tok(prompt, padding="max_length", max_length=length, truncation=True).input_ids
        rows.append({"prompt": prompt, "ids": ids})
    path = HERE / family / f"{folder}_expected.json"
    path.write_text(json.dumps(rows, ensure_ascii=True, indent=0) + "\n")


def stable_diffusion(cls=StableDiffusionPipeline, **parts):
    return cls(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def only_vocab(family, folder="tokenizer"):
    """The tokenizer as older checkpoints have it: vocab.json and merges.txt, no tokenizer.json."""
    path = HERE / family / folder
    (path / "tokenizer.json").unlink()
    (path / "vocab.json").write_text(json.dumps(VOCAB, ensure_ascii=True) + "\n")
    merges = "\n".join(" ".join(merge) for merge in MERGES)
    (path / "merges.txt").write_text("#version: 0.2\n" + merges + "\n")


def sketch():
    """The bundled model's shape: the sketch's latents beside the noise, AutoencoderTiny."""
    parts = dict(
        unet=unet(
            1, in_channels=16, out_channels=8, block_out_channels=(8, 16, 20),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4, sample_size=32, addition_embed_type="text", addition_embed_type_num_heads=4,
        ),
        vae=tiny_vae(2, latent_channels=8, blocks=(1, 2, 1, 2), scaling_factor=0.8),
        text_encoder=text_encoder(3, 32),
        tokenizer=tokenizer(32),
        scheduler=LCMScheduler(**STABLE_DIFFUSION, prediction_type="v_prediction"),
    )
    expected = Expected()
    expected.unet(parts["unet"], size=(8, 12))
    expected.vae(parts["vae"])
    expected.text(parts["text_encoder"], parts["tokenizer"])
    write("sketch", stable_diffusion(**parts), expected)
    write_tokens("sketch", "tokenizer", 32)


def sd15():
    """Stable Diffusion 1.5's shape: AutoencoderKL, convolutions around the transformers,
    vocab.json and merges.txt, and LoRAs in every naming."""
    parts = dict(
        unet=unet(21, layers_per_block=2),
        vae=kl_vae(22),
        text_encoder=text_encoder(23, 77),
        tokenizer=tokenizer(77),
        scheduler=DDIMScheduler(**STABLE_DIFFUSION, steps_offset=1, set_alpha_to_one=False),
    )
    expected = Expected()
    expected.unet(parts["unet"])
    mask = torch.tensor([[1.0] * 7, [1.0] * 3 + [0.0] * 4])
    expected.unet(parts["unet"], name="masked", encoder_attention_mask=mask)
    expected.vae(parts["vae"])
    expected.text(parts["text_encoder"], parts["tokenizer"])
    loras(parts, expected)
    write("sd15", stable_diffusion(**parts), expected)
    only_vocab("sd15")
    write_tokens("sd15", "tokenizer", 77)


@torch.no_grad()
def loras(parts, expected):
    """A LoRA made by PEFT over dense layers and convolutions, saved in three namings, and what
    diffusers computes after loading each again at weight 0.7."""
    folder = HERE / "lora"
    folder.mkdir(parents=True)
    network = parts["unet"]
    config = LoraConfig(
        r=2, lora_alpha=6, init_lora_weights=False,
        target_modules=["to_q", "to_k", "to_v", "to_out.0", "proj_in", "conv1", "net.0.proj", "time_emb_proj"],
    )
    torch.manual_seed(31)
    network.add_adapter(config)
    state = {key: value.half().float() for key, value in get_peft_model_state_dict(network).items()}
    network.delete_adapters("default")
    text = parts["text_encoder"]
    torch.manual_seed(32)
    text.add_adapter(LoraConfig(r=3, lora_alpha=3, init_lora_weights=False, target_modules=["q_proj", "fc1"]))
    text_state = {key: value.half().float() for key, value in get_peft_model_state_dict(text, adapter_name="default").items()}
    text.delete_adapter("default")

    half = lambda tensors: {key: value.half().contiguous() for key, value in tensors.items()}
    StableDiffusionPipeline.save_lora_weights(
        folder, half(state), half(text_state), weight_name="diffusers.safetensors",
        unet_lora_adapter_metadata={"r": 2, "lora_alpha": 6, "target_modules": sorted(config.target_modules)},
        text_encoder_lora_adapter_metadata={"r": 3, "lora_alpha": 3, "target_modules": ["q_proj", "fc1"]},
    )
    kohya = {}
    for key, value in state.items():
        module, part = key.rsplit(".lora_", 1)
        flat = "lora_unet_" + module.replace(".", "_")
        kohya[f"{flat}.{'lora_down' if part.startswith('A') else 'lora_up'}.weight"] = value.half()
        kohya[f"{flat}.alpha"] = torch.tensor(6.0).half()
    save_file(kohya, folder / "kohya.safetensors")
    old = {}
    for key, value in state.items():
        old["unet." + key.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up.")] = value.half()
    save_file(old, folder / "old.safetensors")

    given = Expected()
    given.unet(network)
    for name in ("diffusers", "kohya", "old"):
        pipeline = stable_diffusion(**parts)
        pipeline.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
        pipeline.set_adapters(name, 0.7)
        output = network(
            given.tensors["unet.sample"], given.tensors["unet.timesteps"],
            given.tensors["unet.encoder_hidden_states"],
        ).sample
        assert (output - given.tensors["unet.output"]).abs().max() > 1e-2, name
        expected.put(**{f"lora_{name}__output": output})
        if name == "diffusers":
            ids = parts["tokenizer"](PROMPTS[1], padding="max_length", return_tensors="pt").input_ids
            expected.put(lora_text__ids=ids, lora_text__output=text(ids).last_hidden_state)
        pipeline.unload_lora_weights()


def sd21():
    """Stable Diffusion 2.1's shape: dense layers around the transformers, heads by block, exact
    GELU, another padding token; the UNet in shards."""
    parts = dict(
        unet=unet(41, attention_head_dim=[2, 4], use_linear_projection=True, upcast_attention=True),
        vae=tiny_vae(42),
        text_encoder=text_encoder(43, 20, hidden_act="gelu"),
        tokenizer=tokenizer(20, pad_token="!"),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction"
        ),
    )
    expected = Expected()
    expected.unet(parts["unet"])
    expected.vae(parts["vae"])
    expected.text(parts["text_encoder"], parts["tokenizer"])
    write("sd21", stable_diffusion(**parts), expected, max_shard_size="60KB")
    write_tokens("sd21", "tokenizer", 20)


def lcm():
    """A latent consistency model: guidance embedding beside the timestep; `fp16` file names."""
    parts = dict(
        unet=unet(51, time_cond_proj_dim=12),
        vae=tiny_vae(52, width=4),
        text_encoder=text_encoder(53, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=LCMScheduler(**STABLE_DIFFUSION),
    )
    expected = Expected()
    expected.unet(parts["unet"], timestep_cond=noise(5, 2, 12))
    expected.unet(parts["unet"], name="unconditioned")
    write("lcm", stable_diffusion(**parts), expected, variant="fp16")


def turbo():
    """SD-Turbo's scheduler, and an autoencoder of another activation."""
    parts = dict(
        unet=unet(61, block_out_channels=(8, 8)),
        vae=tiny_vae(62, act_fn="silu", blocks=(1, 1, 1, 1)),
        text_encoder=text_encoder(63, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
        ),
    )
    expected = Expected()
    expected.vae(parts["vae"])
    write("turbo", stable_diffusion(**parts), expected)


def inpainting():
    """Nine input channels: noise, mask, masked image."""
    parts = dict(
        unet=unet(71, in_channels=9, block_out_channels=(8, 8)),
        vae=tiny_vae(72, width=4),
        text_encoder=text_encoder(73, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=DDIMScheduler(**STABLE_DIFFUSION),
    )
    expected = Expected()
    expected.unet(parts["unet"])
    write("inpainting", stable_diffusion(StableDiffusionInpaintPipeline, **parts), expected)


def instruct_pix2pix():
    """Eight input channels: noise and a photo's latents."""
    parts = dict(
        unet=unet(81, in_channels=8, block_out_channels=(8, 8)),
        vae=tiny_vae(82, width=4),
        text_encoder=text_encoder(83, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=DDIMScheduler(**STABLE_DIFFUSION),
    )
    expected = Expected()
    expected.unet(parts["unet"])
    pipeline = stable_diffusion(StableDiffusionInstructPix2PixPipeline, **parts)
    write("instruct-pix2pix", pipeline, expected)


def sdxl():
    """SDXL's shape: two text encoders, pooled text and sizes, more transformers further down."""
    parts = dict(
        unet=unet(
            91, block_out_channels=(8, 16), cross_attention_dim=24 + 16, attention_head_dim=[1, 2],
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2], use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=20 + 6 * 8,
        ),
        vae=tiny_vae(92, scaling_factor=0.13025),
        text_encoder=text_encoder(93, 16),
        text_encoder_2=text_encoder(94, 16, CLIPTextModelWithProjection, hidden_size=16, hidden_act="gelu"),
        tokenizer=tokenizer(16),
        tokenizer_2=tokenizer(16, pad_token="!"),
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    )
    expected = Expected()
    time_ids = torch.tensor([[512.0, 768.0, 0.0, 16.0, 1024.0, 640.0], [64.0, 64.0, 8.0, 0.0, 64.0, 64.0]])
    expected.unet(parts["unet"], text_embeds=noise(6, 2, 20), time_ids=time_ids)
    expected.text(parts["text_encoder"], parts["tokenizer"])
    expected.text(parts["text_encoder_2"], parts["tokenizer_2"], name="text_2")
    write("sdxl", StableDiffusionXLPipeline(**parts, add_watermarker=False), expected)


def odd():
    """Every rarely used field of the UNet's configuration, at sizes that do not halve evenly."""
    network = unet(
        101, block_out_channels=(8, 12, 16), layers_per_block=[1, 2, 1],
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=[3, 5, 2], only_cross_attention=[True, False, False],
        transformer_layers_per_block=[[1], [2, 1], [1]],
        reverse_transformer_layers_per_block=[[1, 1], [1, 2, 1], [2, 1]],
        flip_sin_to_cos=False, freq_shift=1, resnet_time_scale_shift="scale_shift",
        time_embedding_dim=20, center_input_sample=True, conv_in_kernel=5, conv_out_kernel=1,
        norm_eps=1e-4, downsample_padding=1, mid_block_scale_factor=1.5, act_fn="swish",
    )
    expected = Expected()
    expected.unet(network, size=(7, 13))
    bottomless = unet(102, mid_block_type=None, block_out_channels=(8, 8), downsample_padding=0)
    expected.unet(bottomless, name="bottomless", size=(6, 10))
    folder = HERE / "odd"
    network.to(torch.float16).save_pretrained(folder / "unet")
    bottomless.to(torch.float16).save_pretrained(folder / "bottomless")
    save_file(expected.tensors, folder / "expected.safetensors")


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    torch.use_deterministic_algorithms(True)
    for family in (sketch, sd15, sd21, lcm, turbo, inpainting, instruct_pix2pix, sdxl, odd):
        family()
    record_versions(HERE, diffusers, peft, safetensors, tokenizers, torch, transformers)


if __name__ == "__main__":
    main()
