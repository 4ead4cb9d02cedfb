"""Makes the parity fixtures of IP-Adapters: tiny random adapters with the names of the files that people have, a tiny
random CLIP beside them, and what diffusers makes with them, for `tests/ip_adapter/`.

    python tests/parity/ip_adapter.py

remakes `tests/parity/fixtures/ip-adapter/`. Pipelines are those of `pipelines/` with the UNets of `control/`, which
`pipelines.py` and `control.py` made before. `expected.safetensors` has, for each adapter, its tokens of `pixel_values` and
of nothing, and what the UNet answers with them, each row at a scale of its own. `requests.json` and `pipeline.safetensors`
of a family hold whole runs, as those of `control.py` do: `NAME.reference.N` is the N-th picture (bytes, height first).
"""

import json
import shutil
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from networks import noise, randomise
from PIL import Image
from pipelines import picture
from record import record_versions
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

FIXTURES = Path(__file__).parent / "fixtures"
HERE = FIXTURES / "ip-adapter"
SIDE, WIDTH, EMBED = 32, 20, 12
#: Of Plus's attention: diffusers has no other head.
HEAD = 64


def image_encoder():
    config = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=36, num_hidden_layers=3, num_attention_heads=5, image_size=SIDE, patch_size=8,
        projection_dim=EMBED, hidden_act="gelu",
    )
    encoder = randomise(CLIPVisionModelWithProjection(config), 601)
    encoder.half().save_pretrained(HERE / "image_encoder")
    return encoder.float()


def processor():
    """What `load_ip_adapter` gives a pipeline, with Pillow's resampling."""
    return CLIPImageProcessorPil(size=SIDE, crop_size=SIDE)


class Tensors(dict):
    """Random tensors, in half precision."""

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def weight(self, name, *shape):
        self[name] = (torch.randn(shape, generator=self.generator) / shape[-1] ** 0.5).half()

    def bias(self, name, width):
        self[name] = (0.1 * torch.randn(width, generator=self.generator)).half()

    def norm(self, name, width):
        self[f"{name}.weight"] = (1 + 0.2 * torch.randn(width, generator=self.generator)).half()
        self.bias(f"{name}.bias", width)

    def dense(self, name, output, width):
        self.weight(f"{name}.weight", output, width)
        self.bias(f"{name}.bias", output)


def adapter(name, seed, unet, plus):
    """Writes an adapter for a UNet with the original code's names."""
    tensors = Tensors(seed)
    cross = unet.config.cross_attention_dim
    if plus:
        queries, hidden = 3, 16
        tensors.weight("image_proj.latents", 1, queries, hidden)
        tensors.dense("image_proj.proj_in", hidden, WIDTH)
        tensors.dense("image_proj.proj_out", cross, hidden)
        tensors.norm("image_proj.norm_out", cross)
        for number in range(4):
            block = f"image_proj.layers.{number}"
            tensors.norm(f"{block}.0.norm1", hidden)
            tensors.norm(f"{block}.0.norm2", hidden)
            tensors.weight(f"{block}.0.to_q.weight", HEAD, hidden)
            tensors.weight(f"{block}.0.to_kv.weight", 2 * HEAD, hidden)
            tensors.weight(f"{block}.0.to_out.weight", hidden, HEAD)
            tensors.norm(f"{block}.1.0", hidden)
            tensors.weight(f"{block}.1.1.weight", 4 * hidden, hidden)
            tensors.weight(f"{block}.1.3.weight", hidden, 4 * hidden)
    else:
        tensors.dense("image_proj.proj", 4 * cross, EMBED)
        tensors.norm("image_proj.norm", cross)
    for number, processed in enumerate(unet.attn_processors):
        if processed.endswith("attn2.processor"):
            inner = unet.get_submodule(processed.removesuffix(".processor")).to_q.weight.shape[0]
            # As strong as what the prompt says.
            for layer in ("to_k_ip", "to_v_ip"):
                tensors.weight(f"ip_adapter.{number}.{layer}.weight", inner, cross)
    save_file(dict(tensors), HERE / f"{name}.safetensors")


class Family:
    def __init__(self, name, cls, encoder):
        self.name, self.cls, self.encoder = name, cls, encoder
        self.parts = cls.from_pretrained(FIXTURES / "pipelines" / name, torch_dtype=torch.float32).components
        for part in ("feature_extractor", "image_encoder", "safety_checker"):
            self.parts.pop(part, None)
        self.requests, self.tensors = [], {}

    def unet(self):
        return UNet2DConditionModel.from_pretrained(FIXTURES / "control" / self.name / "unet").float().eval()

    def pipeline(self, adapters, cls=None, **more):
        """One with these adapters: its UNet is new, for adapters change it."""
        parts = {**self.parts, **more, "unet": self.unet(), "image_encoder": self.encoder, "feature_extractor": processor()}
        if "text_encoder_2" not in parts:
            parts.update(safety_checker=None, requires_safety_checker=False)
        made = (cls or self.cls)(**parts)
        made.set_progress_bar_config(disable=True)
        weights = [f"{name}.safetensors" for name in adapters]
        made.load_ip_adapter(str(HERE), subfolder="", weight_name=weights, image_encoder_folder=None)
        return made

    def ask(self, name, adapters, width, height, sampler, seed, references, pictures, made=None, controls=(), **request):
        """`references` is what `impasto generate` is told of each adapter."""
        made = made or self.pipeline(adapters)
        steps = request["steps"]
        latents = noise(seed, 2, 4, height // 8, width // 8)

        def set_scales(step):
            within = lambda one: step / steps >= one["start"] and (step + 1) / steps <= one["end"]
            made.set_ip_adapter_scale([one["scale"] if within(one) else 0.0 for one in references])

        def after(pipeline, step, timestep, given):
            set_scales(step + 1)
            return given

        set_scales(0)
        arguments = {key: value for key, value in request.items() if key != "steps"}
        for number, control in enumerate(controls):
            self.tensors[f"{name}.control.{number}"] = control["picture"]
            arguments.update(image=Image.fromarray(control["picture"].numpy()), controlnet_conditioning_scale=control["scale"])
        with torch.no_grad():
            output = made(
                **arguments, num_inference_steps=steps, latents=latents, width=width, height=height, num_images_per_prompt=2,
                ip_adapter_image=[Image.fromarray(one.numpy()) for one in pictures], callback_on_step_end=after,
                output_type="latent",
            ).images
        assert torch.isfinite(output).all() and output.abs().max() < 1e4, name
        self.tensors |= {f"{name}.latents": latents, f"{name}.output": output}
        self.tensors |= {f"{name}.reference.{number}": one for number, one in enumerate(pictures)}
        controls = [dict(control=control["name"], scale=control["scale"]) for control in controls]
        self.requests.append(
            dict(name=name, width=width, height=height, sampler=sampler, references=references, controls=controls, **request)
        )

    def write(self):
        folder = HERE / self.name
        folder.mkdir()
        save(self.tensors, folder / "pipeline.safetensors")
        (folder / "requests.json").write_text(json.dumps(self.requests, indent=2) + "\n")


def save(tensors, file):
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, file)


@torch.no_grad()
def expect(name, family, plus, pixel_values, expected):
    """The adapter's tokens, and a UNet's answer for a row that sees them and one that sees nothing, at scales of their own."""
    made = family.pipeline([name])
    if plus:
        seen = made.image_encoder(pixel_values, output_hidden_states=True).hidden_states[-2]
        nothing = made.image_encoder(torch.zeros_like(pixel_values), output_hidden_states=True).hidden_states[-2]
    else:
        seen = made.image_encoder(pixel_values).image_embeds
        nothing = torch.zeros_like(seen)
    project = lambda embeds: made.unet.encoder_hid_proj([embeds[:, None]])[0][:, 0]
    config = made.unet.config
    sample, text = noise(611, 2, 4, 7, 5), noise(612, 2, 7, config.cross_attention_dim)
    timesteps = torch.tensor([951.0, 40.0])
    inputs = dict(sample=sample, encoder_hidden_states=text, timesteps=timesteps)
    added = {}
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added = dict(text_embeds=noise(613, 2, pooled), time_ids=torch.tensor([[72.0, 88, 0, 8, 72, 88]] * 2))
    rows = []
    for row, (scale, embeds) in enumerate([(0.7, seen), (0.3, nothing)]):
        made.set_ip_adapter_scale(scale)
        conditioning = {key: value[row : row + 1] for key, value in added.items()} | {"image_embeds": [embeds[:, None]]}
        rows.append(made.unet(sample[row : row + 1], timesteps[row], text[row : row + 1], added_cond_kwargs=conditioning).sample)
    tensors = {**inputs, **added, "image_embeds": project(seen), "negative_image_embeds": project(nothing), "output": torch.cat(rows)}
    expected |= {f"{name}.{key}": value for key, value in tensors.items()}


def see(adapter, scale=0.6, start=0.0, end=1.0):
    return dict(ip_adapter=adapter, scale=scale, start=start, end=end)


def main():
    encoder = image_encoder()
    # As large as CLIP takes it, where nothing is resampled, and of other shapes.
    whole, wide, tall = picture(621, SIDE, SIDE), picture(622, 75, 40), picture(623, 33, 51)
    pixel_values = processor()(Image.fromarray(whole.numpy()), return_tensors="pt").pixel_values.float()
    expected = {"picture": whole, "pixel_values": pixel_values}
    apple = dict(prompt="a red apple on the table", negative_prompt="snow and rain", steps=4, guidance_scale=5.0)

    sd15 = Family("sd15", StableDiffusionPipeline, encoder)
    base, plus = "ip-adapter_sd15", "ip-adapter-plus_sd15"
    adapter(base, 631, sd15.unet(), plus=False)
    adapter(plus, 632, sd15.unet(), plus=True)
    expect(base, sd15, False, pixel_values, expected)
    expect(plus, sd15, True, pixel_values, expected)
    sd15.ask("base", [base], 88, 72, "ddim", 641, [see(base)], [whole], **apple)
    sd15.ask("plus", [plus], 72, 56, "ddim", 642, [see(plus, 0.8)], [whole], **apple)
    sd15.ask("resampled", [base], 64, 64, "ddim", 643, [see(base, 1.0)], [wide], **apple)
    sd15.ask("unguided", [plus], 64, 56, "ddim", 644, [see(plus)], [whole], **{**apple, "guidance_scale": 1.0})
    sd15.ask("span", [base], 56, 64, "ddim", 645, [see(base, 0.9, 0.25, 0.75)], [whole], **apple)
    sd15.ask("two", [base, plus], 64, 64, "ddim", 646, [see(base, 0.5), see(plus, 0.4, 0.0, 0.5)], [whole, tall], **apple)
    net = ControlNetModel.from_pretrained(FIXTURES / "control" / "controlnet-scribble").float().eval()
    controlled = sd15.pipeline([plus], StableDiffusionControlNetPipeline, controlnet=net)
    control = dict(name="controlnet-scribble", scale=0.7, picture=picture(624, 72, 56))
    sd15.ask("controlled", [plus], 72, 56, "ddim", 647, [see(plus)], [whole], made=controlled, controls=[control], **apple)
    sd15.write()

    sdxl = Family("sdxl", StableDiffusionXLPipeline, encoder)
    base, plus = "ip-adapter_sdxl", "ip-adapter-plus_sdxl_vit-h"
    adapter(base, 633, sdxl.unet(), plus=False)
    adapter(plus, 634, sdxl.unet(), plus=True)
    expect(base, sdxl, False, pixel_values, expected)
    expect(plus, sdxl, True, pixel_values, expected)
    sdxl.parts["scheduler"] = EulerDiscreteScheduler.from_config(sdxl.parts["scheduler"].config)
    sdxl.ask("base", [base], 88, 72, "euler", 648, [see(base)], [whole], **apple)
    sdxl.ask("plus", [plus], 64, 72, "euler", 649, [see(plus, 0.7, 0.0, 0.5)], [whole], **apple)
    sdxl.write()
    save(expected, HERE / "expected.safetensors")


if __name__ == "__main__":
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    main()
    record_versions(HERE, diffusers, torch, transformers)
