"""Makes the parity fixtures of whole pipelines: tiny random models of every family, written by
diffusers, and the latents that diffusers' own pipelines end with, for `tests/pipeline_parity.rs`.

    python tests/parity/pipelines.py

remakes `tests/parity/fixtures/pipelines/`, one folder per family. `requests.json` there holds what
was asked, in the words of `impasto generate`; `expected.safetensors` holds for each request
`NAME.latents` (the initial noise), `NAME.output` (the final latents) and, where there are any,
`NAME.noise` (what the steps added), `NAME.image` and `NAME.mask` (bytes, height first).

Where a photo was inverted there is `inversion.safetensors` too: `image`, its `latents`, the
`trajectory` and `timesteps` of `DDIMInverseScheduler`, the `reconstruction` by `DDIMScheduler`, and
the prompt in the header's free text.

The widths, depths and heads are others than in `networks.py`. Where diffusers would take a random
sample of the autoencoder's distribution its mean is taken: nothing else could be compared.
"""

import json
import shutil
import tempfile
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from networks import STABLE_DIFFUSION, kl_vae, noise, stable_diffusion, text_encoder, tiny_vae, tokenizer, unet
from PIL import Image
from record import record_versions
from safetensors.torch import save_file
from transformers import CLIPTextModelWithProjection

HERE = Path(__file__).parent / "fixtures" / "pipelines"
SCALED_LINEAR = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
LONG = "a storybook picture of green hills and a blue sea, " * 4

DiagonalGaussianDistribution.sample = lambda self, generator=None: self.mode()


class Draws:
    """Stands in for `randn_tensor`: known noise, and a record of what was drawn."""

    def __init__(self, first=None):
        self.first = first
        self.drawn = []

    def __call__(self, shape, **_):
        if self.first is not None:
            first, self.first = self.first, None
            return first
        self.drawn.append(noise(7000 + len(self.drawn), *shape))
        return self.drawn[-1]


class Family:
    """One pipeline's folder and the requests that it is asked."""

    def __init__(self, name, pipeline, dtype=torch.float16):
        self.name = name
        self.dtype = dtype
        # The file holds exactly what is computed with.
        self.pipeline = pipeline.to(dtype).to(torch.float32)
        self.pipeline.set_progress_bar_config(disable=True)
        self.requests = []
        self.tensors = {}
        self.inversion = None

    def ask(self, name, width, height, sampler, seed, pipeline=None, given=None, image=None, mask=None, batch=1, **request):
        """Runs a request for as many pictures as `batch` says. `given` is what diffusers is told in other words than the command line:
        its arguments take the place of the request's own."""
        pipeline = pipeline or self.pipeline
        scale = pipeline.vae_scale_factor
        latents = noise(seed, batch, pipeline.vae.config.latent_channels, height // scale, width // scale)
        arguments = {
            "num_inference_steps": request["steps"],
            **{key: value for key, value in request.items() if key not in ("steps", "original_size", "target_size", "crop")},
        }
        if batch > 1:
            arguments["num_images_per_prompt"] = batch
        for key, value in (given or {}).items():
            arguments.pop(key, None)
            if key == "prompt_embeds":
                arguments.pop("prompt", None)
                arguments.pop("negative_prompt", None)
            arguments[key] = value
        starts_from_image = isinstance(pipeline, StableDiffusionImg2ImgPipeline) or request.get("strength", 1) < 1
        draws = Draws(latents if starts_from_image else None)
        if not starts_from_image:
            arguments["latents"] = latents
        modules = {__import__(thing.__module__, fromlist=["_"]) for thing in (type(pipeline), type(pipeline.scheduler))}
        for module in modules:
            if hasattr(module, "randn_tensor"):
                module.randn_tensor = draws
        if image is None or mask is not None:
            arguments.update(width=width, height=height)
        if image is not None:
            self.tensors[f"{name}.image"] = image
            arguments["image"] = Image.fromarray(image.numpy())
        if mask is not None:
            self.tensors[f"{name}.mask"] = mask
            arguments["mask_image"] = Image.fromarray(mask.numpy())
        with torch.no_grad():
            output = pipeline(**arguments, output_type="latent").images
        assert torch.isfinite(output).all() and output.abs().max() < 1e4, (self.name, name)
        self.tensors[f"{name}.latents"] = latents
        self.tensors[f"{name}.output"] = output
        if draws.drawn:
            self.tensors[f"{name}.noise"] = torch.cat(draws.drawn) if batch == 1 else torch.stack(draws.drawn)
        self.requests.append(dict(name=name, width=width, height=height, sampler=sampler, **request))

    @torch.no_grad()
    def invert(self, width, height, steps, seed, prompt):
        """Inverts a picture and samples back, without guidance. UNets that see an image beside the
        noise see zeros, those for inpainting that all of nothing is to be filled."""
        parts = self.pipeline
        image = picture(seed, width, height)
        encoded = lambda pixels: latents_of(parts.vae, pixels)
        latents = encoded(image.permute(2, 0, 1)[None].float() / 127.5 - 1)
        missing = parts.unet.config.in_channels - latents.shape[1]
        beside = torch.zeros(1, missing, *latents.shape[2:])
        if missing > latents.shape[1]:
            beside = torch.cat([torch.ones_like(beside[:, :1]), encoded(torch.zeros(1, 3, height, width))], 1)
        added = None
        if hasattr(parts, "text_encoder_2"):
            states, _, pooled, _ = parts.encode_prompt(prompt, device="cpu", do_classifier_free_guidance=False)
            added = dict(text_embeds=pooled, time_ids=torch.tensor([[height, width, 0, 0, height, width]]))
        else:
            states = embedded(parts.text_encoder, parts.tokenizer, [(prompt, 1.0)], pooled=None)[0]
        inverse, ddim = (switched(parts.scheduler, cls) for cls in (DDIMInverseScheduler, DDIMScheduler))

        def walk(scheduler, sample):
            scheduler.set_timesteps(steps)
            for timestep in scheduler.timesteps:
                told = torch.cat([scheduler.scale_model_input(sample, timestep), beside], 1)
                output = parts.unet(told, timestep, states, added_cond_kwargs=added).sample
                sample = scheduler.step(output, timestep, sample).prev_sample
                yield sample

        trajectory = torch.cat(list(walk(inverse, latents)))
        assert torch.isfinite(trajectory).all() and trajectory.abs().max() < 1e4, self.name
        *_, reconstruction = walk(ddim, trajectory[-1:])
        timesteps = inverse.timesteps.double()
        tensors = dict(image=image, latents=latents, trajectory=trajectory, timesteps=timesteps, reconstruction=reconstruction)
        self.inversion = tensors, dict(prompt=prompt)

    def write(self):
        folder = HERE / self.name
        self.pipeline.to(self.dtype)
        self.pipeline.save_pretrained(folder)
        shutil.rmtree(folder / "feature_extractor", ignore_errors=True)
        for readme in folder.rglob("README.md"):
            readme.unlink()
        save_file({key: value.contiguous().clone() for key, value in self.tensors.items()}, folder / "expected.safetensors")
        (folder / "requests.json").write_text(json.dumps(self.requests, indent=2) + "\n")
        if self.inversion:
            tensors, notes = self.inversion
            tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
            save_file(tensors, folder / "inversion.safetensors", notes)


def picture(seed, width, height):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def latents_of(vae, image):
    encoded = vae.encode(image)
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    return latents * vae.config.scaling_factor


def soft_mask(width, height):
    """All values from 0 to 255, not symmetric, and not the same in a cell's first pixel and middle."""
    y, x = np.mgrid[0:height, 0:width]
    return torch.from_numpy(((x * 5 + y * 3) % 256).astype(np.uint8))


def switched(scheduler, cls):
    """The same schedule for another class, as whoever loads the folder gets it: from a file, which
    names every field. In memory diffusers forgets those that had their class's default."""
    with tempfile.TemporaryDirectory() as folder:
        scheduler.save_pretrained(folder)
        return cls.from_config(type(scheduler).from_pretrained(folder).config)


@torch.no_grad()
def embedded(encoder, tok, words, pooled=False):
    """Weighted words in chunks, as AUTOMATIC1111's web UI embeds them: (text, weight) pairs."""
    tokens = []
    for text, weight in words:
        tokens += [(token, weight) for token in tok(text, add_special_tokens=False).input_ids]
    room = tok.model_max_length - 2
    chunks = [tokens[start : start + room] for start in range(0, len(tokens), room)] or [[]]
    states, first = [], None
    for chunk in chunks:
        missing = room - len(chunk)
        ids = [tok.bos_token_id] + [token for token, _ in chunk] + [tok.eos_token_id] + [tok.pad_token_id] * missing
        weights = torch.tensor([1.0] + [weight for _, weight in chunk] + [1.0] * (missing + 1))
        output = encoder(torch.tensor([ids]), output_hidden_states=True)
        if first is None and pooled:
            first = output.text_embeds
        state = output.hidden_states[-2] if pooled is not None else output.last_hidden_state
        weighted = state * weights[None, :, None]
        states.append(weighted * (state.mean() / weighted.mean()))
    return torch.cat(states, 1), first


def sd15():
    parts = dict(
        unet=unet(201, block_out_channels=(8, 12, 16), layers_per_block=(1, 2, 1), attention_head_dim=4,
                  down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                  up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=20),
        vae=kl_vae(202),
        text_encoder=text_encoder(203, 77, hidden_size=20, num_hidden_layers=3, num_attention_heads=4),
        tokenizer=tokenizer(77),
        scheduler=DDIMScheduler(**SCALED_LINEAR),
    )
    family = Family("sd15", stable_diffusion(StableDiffusionPipeline, **parts))
    with_scheduler = lambda scheduler, cls=StableDiffusionPipeline: stable_diffusion(
        cls, **{**parts, "scheduler": switched(parts["scheduler"], scheduler)}
    )
    red = dict(prompt="a red apple on the table", steps=4)
    family.ask("plain", 96, 64, "ddim", 1, **red, guidance_scale=1.0)
    family.ask("guided", 64, 96, "ddim", 2, **red, guidance_scale=7.5, negative_prompt="snow and rain")
    family.ask("rescaled", 96, 64, "ddim", 3, **red, guidance_scale=7.5, guidance_rescale=0.7)
    family.ask("uneven", 72, 88, "ddim", 4, **red, guidance_scale=3.0)
    family.ask("solver", 96, 64, "dpm-solver++", 5, with_scheduler(DPMSolverMultistepScheduler), **red, guidance_scale=4.0)
    family.ask("ancestral", 64, 64, "euler-ancestral", 6, with_scheduler(EulerAncestralDiscreteScheduler), **red, guidance_scale=4.0)
    family.ask("from-image", 96, 64, "ddim", 7, with_scheduler(DDIMScheduler, StableDiffusionImg2ImgPipeline), **red,
               guidance_scale=3.0, strength=0.75, image=picture(8, 96, 64))
    encode = lambda *words: embedded(parts["text_encoder"], parts["tokenizer"], words, pooled=None)[0]
    # The negative prompt is as long: windows of the empty prompt follow it.
    chunks = encode((LONG, 1.0))
    assert chunks.shape[1] == 2 * 77, chunks.shape
    family.ask("long", 64, 64, "ddim", 9, steps=4, prompt=LONG, negative_prompt="rain", guidance_scale=5.0,
               given=dict(prompt_embeds=chunks, negative_prompt_embeds=torch.cat([encode(("rain", 1.0)), encode(("", 1.0))], 1)))
    family.ask("weighted", 64, 64, "ddim", 10, steps=4, guidance_scale=5.0,
               prompt=r"a (red:1.4) apple, [green] hills \(sea\)", negative_prompt="((snow))",
               given=dict(prompt_embeds=encode(("a ", 1), ("red", 1.4), (" apple, ", 1), ("green", 1 / 1.1), (" hills (sea)", 1)),
                          negative_prompt_embeds=encode(("snow", 1.1 * 1.1))))
    family.invert(96, 64, 10, 301, "a red apple on the table")
    family.write()
    write_tiles(parts["vae"])


@torch.no_grad()
def write_tiles(vae):
    """What the autoencoder makes in tiles, of sizes that are no multiple of a tile."""
    vae.float().enable_tiling()
    factor = vae.config.scaling_factor
    image = noise(20, 1, 3, 104, 80).clamp(-1, 1).half()
    given = noise(21, 1, 4, 10, 13).half()
    encoded = vae.encode(image.float()).latent_dist.mode() * factor
    decoded = vae.decode(given.float() / factor).sample
    vae.disable_tiling()
    assert (vae.decode(given.float() / factor).sample - decoded).abs().max() > 1e-2
    tensors = dict(image=image, latents=encoded, given=given, decoded=decoded)
    save_file({key: value.contiguous() for key, value in tensors.items()}, HERE / "sd15" / "tiles.safetensors")


def lcm():
    parts = dict(
        unet=unet(211, time_cond_proj_dim=10, block_out_channels=(12, 8), attention_head_dim=(3, 2)),
        vae=tiny_vae(212, width=4),
        text_encoder=text_encoder(213, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=LCMScheduler(**STABLE_DIFFUSION),
    )
    family = Family("lcm", stable_diffusion(LatentConsistencyModelPipeline, **parts))
    family.ask("guided", 48, 80, "lcm", 1, prompt="green hills", steps=4, guidance_scale=8.5)
    family.ask("softly", 64, 40, "lcm", 2, prompt="cat, dog", steps=2, guidance_scale=1.5)
    family.write()


def sd21():
    parts = dict(
        unet=unet(221, attention_head_dim=[2, 4], use_linear_projection=True, upcast_attention=True,
                  block_out_channels=(8, 20), transformer_layers_per_block=[1, 2], cross_attention_dim=32),
        vae=tiny_vae(222, width=4),
        text_encoder=text_encoder(223, 20, hidden_act="gelu", hidden_size=32),
        tokenizer=tokenizer(20, pad_token="!"),
        scheduler=DDIMScheduler(**SCALED_LINEAR, prediction_type="v_prediction", rescale_betas_zero_snr=True,
                                timestep_spacing="trailing", clip_sample=False),
    )
    family = Family("sd21", stable_diffusion(StableDiffusionPipeline, **parts))
    family.ask("guided", 56, 40, "ddim", 1, prompt="a castle", negative_prompt="", steps=4, guidance_scale=7.5, guidance_rescale=0.7)
    euler = switched(parts["scheduler"], EulerDiscreteScheduler)
    other = stable_diffusion(StableDiffusionPipeline, **{**parts, "scheduler": euler})
    family.ask("euler", 56, 40, "euler", 2, other, prompt="a castle", steps=4, guidance_scale=5.0)
    family.invert(64, 48, 8, 302, "a castle")
    family.write()


def solver():
    """A folder with DPM-Solver++, whose settings hold an infinity; a single residual block at the
    bottom; several pictures at once, with noise between the steps and without."""
    parts = dict(
        unet=unet(291, block_out_channels=(8, 12), mid_block_type="UNetMidBlock2D", mid_block_scale_factor=1.2,
                  cross_attention_dim=16),
        vae=tiny_vae(292, width=4),
        text_encoder=text_encoder(293, 16, num_hidden_layers=1, hidden_size=16),
        tokenizer=tokenizer(16),
        scheduler=DPMSolverMultistepScheduler(**SCALED_LINEAR, algorithm_type="sde-dpmsolver++", use_karras_sigmas=True),
    )
    family = Family("solver", stable_diffusion(StableDiffusionPipeline, **parts))
    family.ask("one", 64, 40, "dpm-solver++", 1, prompt="a castle", steps=4, guidance_scale=3.0)
    family.ask("batch", 40, 56, "dpm-solver++", 2, batch=3, prompt="a castle", negative_prompt="rain", steps=4, guidance_scale=5.0,
               guidance_rescale=0.4)
    euler = switched(parts["scheduler"], EulerDiscreteScheduler)
    other = stable_diffusion(StableDiffusionPipeline, **{**parts, "scheduler": euler})
    family.ask("batch-of-two", 56, 48, "euler", 3, other, batch=2, prompt="a castle", steps=4, guidance_scale=1.0)
    family.write()


def activations():
    """Other activations than Stable Diffusion's, in the UNet and in the autoencoder."""
    parts = dict(
        unet=unet(311, block_out_channels=(8, 12), act_fn="gelu", resnet_time_scale_shift="scale_shift", cross_attention_dim=16),
        vae=kl_vae(312, act_fn="relu"),
        text_encoder=text_encoder(313, 16, num_hidden_layers=1, hidden_size=16),
        tokenizer=tokenizer(16),
        scheduler=DDIMScheduler(**SCALED_LINEAR),
    )
    family = Family("activations", stable_diffusion(StableDiffusionPipeline, **parts))
    image_to_image = stable_diffusion(StableDiffusionImg2ImgPipeline, **parts)
    asked = dict(prompt="green hills", steps=4, guidance_scale=3.0)
    family.ask("gelu", 40, 64, "ddim", 1, **asked)
    family.ask("from-image", 64, 48, "ddim", 2, image_to_image, **asked, strength=0.75, image=picture(15, 64, 48))
    family.write()


def turbo_scheduler():
    return EulerAncestralDiscreteScheduler(**SCALED_LINEAR, timestep_spacing="trailing")


def turbo():
    """SD-Turbo's shape, in bf16."""
    parts = dict(
        unet=unet(231, block_out_channels=(8, 8), use_linear_projection=True, cross_attention_dim=16),
        vae=tiny_vae(232, width=4),
        text_encoder=text_encoder(233, 16, num_hidden_layers=1, hidden_size=16),
        tokenizer=tokenizer(16),
        scheduler=turbo_scheduler(),
    )
    family = Family("turbo", stable_diffusion(StableDiffusionPipeline, **parts), torch.bfloat16)
    family.ask("once", 64, 48, "turbo", 1, prompt="a rocket", steps=1, guidance_scale=0.0)
    family.ask("four", 64, 48, "turbo", 2, prompt="a rocket", steps=4, guidance_scale=0.0)
    # Guidance on a model that looks distilled without, as merges are run.
    family.ask("guided", 64, 48, "turbo", 3, prompt="a rocket", negative_prompt="rain", steps=4, guidance_scale=2.0)
    family.write()


def sdxl_parts(seed, scheduler, vae=None, **config):
    return dict(
        unet=unet(
            seed, block_out_channels=(8, 12), cross_attention_dim=24 + 32, attention_head_dim=[2, 3],
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 3], use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=6,
            projection_class_embeddings_input_dim=18 + 6 * 6, **config,
        ),
        vae=vae or tiny_vae(seed + 1, width=4, scaling_factor=0.13025),
        text_encoder=text_encoder(seed + 2, 16),
        text_encoder_2=text_encoder(seed + 3, 16, CLIPTextModelWithProjection, hidden_size=32, hidden_act="gelu",
                                    num_hidden_layers=3, projection_dim=18),
        tokenizer=tokenizer(16),
        tokenizer_2=tokenizer(16, pad_token="!"),
        scheduler=scheduler,
    )


def sdxl():
    parts = sdxl_parts(241, EulerDiscreteScheduler(**SCALED_LINEAR, timestep_spacing="leading", steps_offset=1))
    family = Family("sdxl", StableDiffusionXLPipeline(**parts, add_watermarker=False))
    house = dict(prompt="a house with a red roof", steps=4)
    family.ask("zeros", 64, 48, "euler", 1, **house, guidance_scale=5.0)
    family.ask("negative", 64, 48, "euler", 2, **house, negative_prompt="snow", guidance_scale=5.0, guidance_rescale=0.5)
    family.ask("empty", 48, 72, "euler", 3, **house, negative_prompt="", guidance_scale=5.0)
    family.ask("sizes", 64, 48, "euler", 4, **house, guidance_scale=1.0, original_size=[1024, 768], target_size=[512, 640], crop=[16, 8],
               given=dict(original_size=(768, 1024), target_size=(640, 512), crops_coords_top_left=(8, 16)))
    both = lambda *words: [
        embedded(parts["text_encoder"], parts["tokenizer"], words, pooled=False)[0],
        *embedded(parts["text_encoder_2"], parts["tokenizer_2"], words, pooled=True),
    ]
    first, second, pooled = both((LONG, 1.0))
    negative_first, negative_second, negative_pooled = both(("snow", 1.1))
    empty_first, empty_second, _ = both(("", 1.0))
    negative = torch.cat([negative_first, negative_second], 2)
    empty = torch.cat([empty_first, empty_second], 2)
    missing = (first.shape[1] - negative.shape[1]) // 16
    assert missing > 1
    family.ask("long", 64, 48, "euler", 5, steps=4, prompt=LONG, negative_prompt="(snow)", guidance_scale=4.0,
               given=dict(prompt_embeds=torch.cat([first, second], 2), pooled_prompt_embeds=pooled,
                          negative_prompt_embeds=torch.cat([negative] + [empty] * missing, 1),
                          negative_pooled_prompt_embeds=negative_pooled))
    family.invert(64, 48, 6, 303, "a house with a red roof")
    family.write()


def sdxl_turbo():
    parts = sdxl_parts(251, turbo_scheduler())
    family = Family("sdxl-turbo", StableDiffusionXLPipeline(**parts, add_watermarker=False))
    family.ask("four", 40, 64, "turbo", 1, prompt="a boat on the lake", steps=4, guidance_scale=0.0)
    family.write()


def playground():
    """Playground v2.5's shape: SDXL, trained with EDM, its latents normalised channel by channel."""
    parts = sdxl_parts(
        311,
        EDMDPMSolverMultistepScheduler(),
        vae=kl_vae(312, scaling_factor=0.5, latents_mean=[-1.6574, 1.886, -1.383, 2.5155],
                   latents_std=[8.4927, 5.9022, 6.5498, 5.2299]),
    )
    family = Family("playground", StableDiffusionXLPipeline(**parts, add_watermarker=False))
    euler = switched(parts["scheduler"], EDMEulerScheduler)
    asked = dict(prompt="a boat on the lake", steps=5, negative_prompt="fog", guidance_scale=3.0)
    family.ask("guided", 64, 48, "edm-dpm-solver++", 1, **asked)
    with_euler = StableDiffusionXLPipeline(**{**parts, "scheduler": euler}, add_watermarker=False)
    family.ask("euler", 48, 64, "edm-euler", 2, with_euler, **asked)
    from_image = StableDiffusionXLImg2ImgPipeline(**parts, add_watermarker=False)
    family.ask("from-image", 64, 48, "edm-dpm-solver++", 3, from_image, **asked, strength=0.6, image=picture(15, 64, 48))
    family.write()


def inpainting():
    parts = dict(
        unet=unet(261, in_channels=9, block_out_channels=(8, 12), cross_attention_dim=24),
        vae=kl_vae(262),
        text_encoder=text_encoder(263, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=DDIMScheduler(**STABLE_DIFFUSION, steps_offset=1, set_alpha_to_one=False),
    )
    family = Family("inpainting", stable_diffusion(StableDiffusionInpaintPipeline, **parts))
    asked = dict(prompt="a smiling cat", image=picture(12, 80, 56), mask=soft_mask(80, 56), steps=4)
    family.ask("guided", 80, 56, "ddim", 1, **asked, negative_prompt="dog", guidance_scale=6.0, strength=1.0)
    family.ask("from-image", 80, 56, "ddim", 2, **asked, guidance_scale=1.0, strength=0.5)
    family.invert(48, 64, 5, 304, "a smiling cat")
    family.write()


def sdxl_inpainting():
    parts = sdxl_parts(271, DDIMScheduler(**STABLE_DIFFUSION, steps_offset=1), in_channels=9)
    pipeline = StableDiffusionXLInpaintPipeline(**parts, add_watermarker=False, force_zeros_for_empty_prompt=False)
    family = Family("sdxl-inpainting", pipeline)
    family.ask("guided", 48, 64, "ddim", 1, prompt="a fish", steps=4, guidance_scale=4.0, strength=1.0,
               image=picture(13, 48, 64), mask=soft_mask(48, 64))
    family.write()


def instruct_pix2pix():
    parts = dict(
        unet=unet(281, in_channels=8, block_out_channels=(12, 8), attention_head_dim=4),
        vae=kl_vae(282, scaling_factor=0.4),
        text_encoder=text_encoder(283, 16, num_hidden_layers=1),
        tokenizer=tokenizer(16),
        scheduler=EulerAncestralDiscreteScheduler(**SCALED_LINEAR),
    )
    family = Family("instruct-pix2pix", stable_diffusion(StableDiffusionInstructPix2PixPipeline, **parts))
    euler = switched(parts["scheduler"], EulerDiscreteScheduler)
    other = stable_diffusion(StableDiffusionInstructPix2PixPipeline, **{**parts, "scheduler": euler})
    asked = dict(prompt="make it snow", steps=4, image=picture(14, 72, 48))
    family.ask("double", 72, 48, "euler-ancestral", 1, **asked, guidance_scale=7.0, image_guidance_scale=1.5)
    family.ask("negative", 72, 48, "euler", 2, other, **asked, negative_prompt="rain", guidance_scale=5.0, image_guidance_scale=1.2)
    family.ask("loose", 72, 48, "euler", 3, other, **asked, guidance_scale=7.0, image_guidance_scale=0.5)
    family.write()


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    for family in (sd15, lcm, sd21, turbo, sdxl, sdxl_turbo, playground, inpainting, sdxl_inpainting, instruct_pix2pix, solver, activations):
        family()
    record_versions(HERE, diffusers, torch, transformers)


if __name__ == "__main__":
    main()
