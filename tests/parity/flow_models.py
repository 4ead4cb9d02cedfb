"""Makes the parity fixtures of flow models: tiny random pipelines of FLUX.1 and Stable Diffusion 3,
written by diffusers, for `tests/flow_models.rs`.

    python tests/parity/flow_models.py

remakes `tests/parity/fixtures/flow-models/`, one folder per model. In each, `requests.json` and
`expected.safetensors` are those of `pipelines.py`, with latents as the autoencoder has them, never
packed; `networks.safetensors` holds inputs and outputs of the transformer (`denoiser.…`), of T5
(`t5.…`) and of the autoencoder (`vae.…`), and `t5_tokens.json` what T5's tokenizer makes of prompts.
"""

import copy
import json
import shutil
from pathlib import Path

import diffusers
import peft
import tokenizers
import torch
import transformers
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3Pipeline,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from networks import CORPUS, PROMPTS, kl_vae, noise, randomise, text_encoder, tokenizer
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from pipelines import Draws, picture
from record import record_versions
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5TokenizerFast

HERE = Path(__file__).parent / "fixtures" / "flow-models"

DiagonalGaussianDistribution.sample = lambda self, generator=None: self.mode()


def t5_tokenizer():
    """T5's kind of vocabulary, trained on a few lines."""
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
    ])
    trainer = trainers.UnigramTrainer(vocab_size=160, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    trained.train_from_iterator(CORPUS.splitlines() * 3, trainer)
    vocab = [(word, score) for word, score in json.loads(trained.to_str())["model"]["vocab"]]
    return T5TokenizerFast(vocab=vocab, extra_ids=2)


T5_TOKENIZER = t5_tokenizer()


def t5(seed, width):
    config = T5Config(
        vocab_size=len(T5_TOKENIZER) + 5, d_model=width, d_kv=6, d_ff=40, num_layers=2, num_heads=4,
        relative_attention_num_buckets=16, relative_attention_max_distance=40, feed_forward_proj="gated-gelu",
    )
    encoder = randomise(T5EncoderModel(config), seed)
    with torch.no_grad():
        for block in encoder.encoder.block:
            # Scores are not scaled: at these widths they would leave one token each.
            block.layer[0].SelfAttention.q.weight.mul_(0.4)
        for parameter in encoder.parameters():
            parameter.copy_(parameter.half().float())
    return encoder


def autoencoder(seed, **config):
    return kl_vae(seed, latent_channels=4, use_quant_conv=False, use_post_quant_conv=False, force_upcast=True, **config)


def pack(latents):
    return FluxPipeline._pack_latents(latents, *latents.shape)


def unpack(tokens, height, width):
    return FluxPipeline._unpack_latents(tokens, height, width, 8)


class Model:
    """One pipeline's folder, and what it is asked."""

    def __init__(self, name, pipeline):
        self.name = name
        # The file holds exactly what is computed with.
        self.pipeline = pipeline.to(torch.float16).to(torch.float32)
        self.pipeline.set_progress_bar_config(disable=True)
        self.is_flux = isinstance(pipeline, FluxPipeline)
        self.requests, self.tensors, self.networks = [], {}, {}

    @torch.no_grad()
    def ask(self, name, width, height, seed, image=None, tokens=None, **request):
        pipeline = self.pipeline
        latents = noise(seed, 1, 4, height // 8, width // 8)
        arguments = {key: value for key, value in request.items() if key != "steps"}
        arguments.update(num_inference_steps=request["steps"], width=width, height=height)
        if tokens:
            arguments["max_sequence_length"] = tokens
        if image is not None:
            cls = FluxImg2ImgPipeline if self.is_flux else StableDiffusion3Img2ImgPipeline
            parts = dict(pipeline.components)
            pipeline = cls(**parts)
            pipeline.set_progress_bar_config(disable=True)
            module = __import__(cls.__module__, fromlist=["_"])
            module.randn_tensor = Draws(latents)
            self.tensors[f"{name}.image"] = image
            arguments["image"] = Image.fromarray(image.numpy())
        else:
            arguments["latents"] = pack(latents) if self.is_flux else latents
        output = pipeline(**arguments, output_type="latent").images
        output = unpack(output, height, width) if self.is_flux else output
        assert torch.isfinite(output).all() and output.abs().max() < 1e4, (self.name, name)
        assert (output - latents).abs().max() > 0.1, (self.name, name)
        self.tensors[f"{name}.latents"] = latents
        self.tensors[f"{name}.output"] = output
        self.requests.append(dict(name=name, width=width, height=height, sampler="flow-euler", **request))

    def put(self, **tensors):
        for name, tensor in tensors.items():
            assert torch.isfinite(tensor.float()).all(), name
            self.networks[name.replace("__", ".")] = tensor.contiguous().clone()

    @torch.no_grad()
    def run(self, sample, timesteps, states, pooled, guidance=None):
        network = self.pipeline.transformer
        if not self.is_flux:
            return network(sample, states, pooled, timesteps).sample
        height, width = sample.shape[-2:]
        ids = FluxPipeline._prepare_latent_image_ids(1, height // 2, width // 2, "cpu", torch.float32)
        output = network(
            pack(sample), states, pooled, timesteps / 1000, ids, torch.zeros(states.shape[1], 3), guidance
        ).sample
        return unpack(output, height * 8, width * 8)

    @torch.no_grad()
    def look(self):
        """Two rows at different timesteps, not square; what T5 and the autoencoder make of things."""
        config = self.pipeline.transformer.config
        sample, timesteps = noise(1, 2, 4, 10, 6), torch.tensor([999.0, 259.5])
        states, pooled = noise(2, 2, 7, config.joint_attention_dim), noise(3, 2, config.pooled_projection_dim)
        guidance = torch.tensor([3.5, 1.0]) if self.is_flux and config.guidance_embeds else None
        self.given = (sample, timesteps, states, pooled, guidance)
        output = self.run(*self.given)
        self.put(denoiser__sample=sample, denoiser__timesteps=timesteps, denoiser__encoder_hidden_states=states,
                 denoiser__text_embeds=pooled, denoiser__output=output)
        if guidance is not None:
            self.put(denoiser__guidance=guidance)
        names = ("text_encoder_2", "tokenizer_2") if self.is_flux else ("text_encoder_3", "tokenizer_3")
        encoder, tok = (self.pipeline.components[name] for name in names)
        if encoder is not None:
            prompts = [PROMPTS[2], PROMPTS[-1]]
            ids = tok(prompts, padding="max_length", max_length=60, truncation=True, return_tensors="pt").input_ids
            self.put(t5__ids=ids.int(), t5__output=encoder(ids).last_hidden_state)
            rows = [dict(prompt=prompt, ids=tok(prompt, padding="max_length", max_length=48, truncation=True).input_ids) for prompt in PROMPTS]
            self.tokens = rows
        vae = self.pipeline.vae
        image, given = noise(4, 1, 3, 32, 48).clamp(-1, 1), noise(5, 1, 4, 4, 3)
        factor, shift = vae.config.scaling_factor, vae.config.shift_factor
        self.put(vae__image=image, vae__latents=(vae.encode(image).latent_dist.mode() - shift) * factor,
                 vae__given=given, vae__decoded=vae.decode(given / factor + shift).sample)

    def lora(self, seed):
        """A LoRA of the transformer in diffusers' naming, and the output with it."""
        # The adapter renames layers for good: the folder gets the network without it.
        plain = self.pipeline.transformer
        network = self.pipeline.transformer = copy.deepcopy(plain)
        targets = ["to_q", "to_k", "add_v_proj", "to_out.0", "ff.net.0.proj", "proj_mlp", "norm1.linear"]
        network.add_adapter(LoraConfig(r=3, lora_alpha=3, target_modules=targets, init_lora_weights=False), "ink")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for key, parameter in network.named_parameters():
                if "lora_" in key:
                    parameter.copy_((torch.randn(parameter.shape, generator=generator) * 0.3).half().float())
        state = get_peft_model_state_dict(network, adapter_name="ink")
        network.set_adapters("ink", 0.7)
        output = self.run(*self.given)
        assert (output - self.networks["denoiser.output"]).abs().max() > 1e-2
        self.put(lora__output=output)
        self.lora_file = {f"transformer.{key}": value.half() for key, value in state.items()}
        self.pipeline.transformer = plain

    def write(self):
        folder = HERE / self.name
        self.pipeline.to(torch.float16)
        self.pipeline.save_pretrained(folder)
        for readme in folder.rglob("README.md"):
            readme.unlink()
        save = lambda tensors, name: save_file({k: v.contiguous().clone() for k, v in tensors.items()}, folder / name)
        save(self.tensors, "expected.safetensors")
        save(self.networks, "networks.safetensors")
        if hasattr(self, "lora_file"):
            save(self.lora_file, "ink.safetensors")
        if hasattr(self, "tokens"):
            (folder / "t5_tokens.json").write_text(json.dumps(self.tokens, ensure_ascii=False) + "\n")
        (folder / "requests.json").write_text(json.dumps(self.requests, indent=2) + "\n")


def flux(name, seed, scheduler, **config):
    usual = dict(
        in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=24, axes_dims_rope=(4, 4, 8),
    )
    pipeline = FluxPipeline(
        transformer=randomise(FluxTransformer2DModel(**{**usual, **config}), seed),
        vae=autoencoder(seed + 1, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=text_encoder(seed + 2, 16), tokenizer=tokenizer(16),
        text_encoder_2=t5(seed + 3, 32), tokenizer_2=T5_TOKENIZER,
        scheduler=scheduler,
    )
    return Model(name, pipeline)


def flux_schnell():
    model = flux("flux-schnell", 401, FlowMatchEulerDiscreteScheduler(shift=1.0))
    model.look()
    asked = dict(prompt="a red apple on the table", steps=4, guidance_scale=0.0, tokens=256)
    model.ask("four", 64, 48, 1, **asked)
    model.ask("one", 48, 80, 2, **{**asked, "steps": 1})
    model.ask("from-image", 64, 48, 3, **asked, strength=0.6, image=picture(16, 64, 48))
    model.lora(405)
    model.write()


def flux_dev():
    dynamic = FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=4, max_image_seq_len=256
    )
    model = flux("flux-dev", 411, dynamic, guidance_embeds=True, num_single_layers=1)
    model.look()
    asked = dict(prompt="a house with a red roof", steps=5, guidance_scale=3.5)
    model.ask("guided", 64, 64, 1, **asked)
    model.ask("softly", 32, 96, 2, **{**asked, "guidance_scale": 1.0})
    model.ask("from-image", 48, 64, 3, **asked, strength=0.75, image=picture(17, 48, 64))
    model.write()


def sd3_pipeline(seed, scheduler, has_t5, **config):
    usual = dict(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=3, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=48, caption_projection_dim=32, pooled_projection_dim=38, pos_embed_max_size=12,
    )
    clip = lambda seed, **config: text_encoder(seed, 16, CLIPTextModelWithProjection, **config)
    return StableDiffusion3Pipeline(
        transformer=randomise(SD3Transformer2DModel(**{**usual, **config}), seed),
        vae=autoencoder(seed + 1, scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=clip(seed + 2), tokenizer=tokenizer(16),
        text_encoder_2=clip(seed + 3, hidden_size=20, projection_dim=18, hidden_act="gelu"), tokenizer_2=tokenizer(16, pad_token="!"),
        text_encoder_3=t5(seed + 4, 48) if has_t5 else None, tokenizer_3=T5_TOKENIZER if has_t5 else None,
        scheduler=scheduler,
    )


def sd3():
    """Without T5, as people do to save memory."""
    model = Model("sd3", sd3_pipeline(421, FlowMatchEulerDiscreteScheduler(shift=3.0), has_t5=False))
    model.look()
    asked = dict(prompt="a castle", steps=4)
    model.ask("guided", 64, 48, 1, **asked, guidance_scale=7.0, negative_prompt="rain")
    model.ask("unguided", 48, 96, 2, **asked, guidance_scale=1.0)
    model.write()


def sd35():
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    parts = sd3_pipeline(431, scheduler, has_t5=True, dual_attention_layers=(0, 1), qk_norm="rms_norm")
    model = Model("sd35", parts)
    model.look()
    asked = dict(prompt="a boat on the lake", steps=4)
    model.ask("guided", 64, 48, 1, **asked, guidance_scale=4.5)
    model.ask("negative", 48, 64, 2, **asked, guidance_scale=4.5, negative_prompt="snow and rain")
    model.ask("from-image", 64, 64, 3, **asked, guidance_scale=3.0, strength=0.6, image=picture(18, 64, 64))
    model.lora(436)
    model.write()


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    for model in (flux_schnell, flux_dev, sd3, sd35):
        model()
    record_versions(HERE, diffusers, peft, tokenizers, torch, transformers)


if __name__ == "__main__":
    main()
