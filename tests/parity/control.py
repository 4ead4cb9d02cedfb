"""Makes the parity fixtures of what steers a UNet by a picture: tiny random T2I-Adapters and
ControlNets, written by diffusers, and what its own pipelines make with them, for
`tests/control_parity.rs`; and what OpenCV makes of a picture, for `src/canvas/control`.

    python tests/parity/control.py

remakes `tests/parity/fixtures/control/`. A family's pipeline is that of `pipelines/`, which
`pipelines.py` made before, with a UNet of its own. `expected.safetensors` of a control holds what the network gives
for `image` (0 to 1); `requests.json` and `pipeline.safetensors` of a family hold whole runs, as
those of `pipelines.py` do: `NAME.control.N` is the N-th control picture (bytes, height first).

Pipelines are given noise for two pictures, and odd sizes where the adapters allow them.
"""

import json
import shutil
from pathlib import Path

import cv2
import diffusers
import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
    T2IAdapter,
)
from networks import noise, randomise
from networks import unet as tiny_unet
from PIL import Image
from pipelines import picture
from record import record_versions
from safetensors.torch import save_file

PIPELINES = Path(__file__).parent / "fixtures" / "pipelines"
HERE = Path(__file__).parent / "fixtures" / "control"


def adapter(name, seed, channels, image, **config):
    """Writes a T2I-Adapter and its features of a picture."""
    network = randomise(T2IAdapter(channels=list(channels), **config), seed)
    folder = HERE / name
    network.half().save_pretrained(folder)
    network.float()
    with torch.no_grad():
        features = network(image)
    tensors = {"image": image, **{f"feature.{number}": feature for number, feature in enumerate(features)}}
    save(tensors, folder / "expected.safetensors")
    return network


def controlnet(name, seed, unet, image=None, **config):
    """Writes a ControlNet for a UNet and, for a picture, its residuals for rows at timesteps of their
    own."""
    network = ControlNetModel.from_unet(unet, load_weights_from_unet=False, **config)
    network = randomise(network, seed)
    folder = HERE / name
    network.half().save_pretrained(folder)
    network.float()
    if image is None:
        return network
    rows = image.shape[0]
    own = network.config
    inputs = dict(
        sample=noise(seed + 1, rows, own.in_channels, image.shape[2] // 8, image.shape[3] // 8),
        timesteps=torch.tensor([951, 40][:rows]),
        encoder_hidden_states=noise(seed + 2, rows, 7, own.cross_attention_dim),
    )
    added = None
    if own.addition_embed_type == "text_time":
        pooled = own.projection_class_embeddings_input_dim - 6 * own.addition_time_embed_dim
        added = dict(text_embeds=noise(seed + 3, rows, pooled), time_ids=torch.tensor([[72.0, 88, 0, 8, 72, 88]] * rows))
    with torch.no_grad():
        down, middle = network(
            inputs["sample"], inputs["timesteps"], inputs["encoder_hidden_states"], image,
            added_cond_kwargs=added, return_dict=False,
        )
    tensors = {"image": image, **inputs, **(added or {}), "mid": middle, **{f"down.{number}": one for number, one in enumerate(down)}}
    save(tensors, folder / "expected.safetensors")
    return network


def save(tensors, file):
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, file)


class Family:
    """Runs of one model's pipelines."""

    def __init__(self, name, pipeline, unet):
        self.name = name
        self.parts = pipeline.from_pretrained(PIPELINES / name, torch_dtype=torch.float32).components
        self.parts.pop("feature_extractor", None)
        self.parts.pop("image_encoder", None)
        unet.half().save_pretrained(HERE / name / "unet")
        self.parts["unet"] = unet.float()
        self.requests = []
        self.tensors = {}

    def pipeline(self, cls, **more):
        parts = dict(self.parts)
        if "text_encoder_2" not in parts:
            more = dict(safety_checker=None, feature_extractor=None, requires_safety_checker=False, **more)
            parts.pop("safety_checker", None)
        made = cls(**parts, **more)
        made.set_progress_bar_config(disable=True)
        return made

    def ask(self, name, pipeline, width, height, sampler, seed, controls, given, pictures, image=None, rows=2, **request):
        """`controls` is what `impasto generate` is told of each control, `given` the same for
        diffusers."""
        latents = noise(seed, rows, 4, height // 8, width // 8)
        key = "image" if image is None else "control_image"
        shown = [Image.fromarray(one.numpy()) for one in pictures]
        arguments = {key: shown if len(shown) > 1 else shown[0], "num_inference_steps": request["steps"], **given}
        arguments.update({name: value for name, value in request.items() if name != "steps"})
        if image is None:
            arguments.update(latents=latents, width=width, height=height, num_images_per_prompt=rows)
        else:
            assert rows == 1
            arguments.update(image=Image.fromarray(image.numpy()))
            self.tensors[f"{name}.image"] = image
            module = __import__(type(pipeline).__module__, fromlist=["_"])
            module.randn_tensor = lambda *_, **__: latents
        with torch.no_grad():
            output = pipeline(**arguments, output_type="latent")
        output = output.images if hasattr(output, "images") else output[0]
        assert torch.isfinite(output).all() and output.abs().max() < 1e4, name
        self.tensors[f"{name}.latents"] = latents
        self.tensors[f"{name}.output"] = output
        for number, one in enumerate(pictures):
            self.tensors[f"{name}.control.{number}"] = one
        self.requests.append(dict(name=name, width=width, height=height, sampler=sampler, controls=controls, **request))

    def write(self):
        folder = HERE / self.name
        save(self.tensors, folder / "pipeline.safetensors")
        (folder / "requests.json").write_text(json.dumps(self.requests, indent=2) + "\n")


def steer(control, scale=1.0, start=0.0, end=1.0):
    return dict(control=control, scale=scale, start=start, end=end)


def grey(seed, width, height):
    return picture(seed, width, height)[..., 0]


def sd15():
    unet = tiny_unet(900, block_out_channels=(8, 12, 12), attention_head_dim=4, layers_per_block=2,
                     down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                     up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=20)
    family = Family("sd15", StableDiffusionPipeline, unet)
    rows = lambda seed, channels, height, width: torch.rand(
        2, channels, height, width, generator=torch.Generator().manual_seed(seed))
    lines = adapter("t2i-sketch", 901, (8, 12, 12), rows(902, 1, 40, 56), in_channels=1)
    colour = adapter("t2i-color", 903, (8, 12), rows(904, 3, 40, 56), adapter_type="light_adapter", num_res_blocks=3)
    widths = dict(conditioning_embedding_out_channels=(4, 6, 8, 10))
    net = controlnet("controlnet-scribble", 905, unet, rows(906, 3, 40, 56), **widths)
    other = controlnet("controlnet-bgr", 907, unet, controlnet_conditioning_channel_order="bgr", **widths)
    red = dict(prompt="a red apple on the table", negative_prompt="snow and rain", steps=4, guidance_scale=5.0)
    adapted = lambda network: family.pipeline(StableDiffusionAdapterPipeline, adapter=network)
    family.ask("sketch", adapted(lines), 88, 72, "ddim", 1, [steer("t2i-sketch", 0.8)],
               dict(adapter_conditioning_scale=0.8), [grey(911, 88, 72)], **red)
    # Smaller, and of another shape, than what is made of it.
    family.ask("resized", adapted(colour), 64, 96, "ddim", 2, [steer("t2i-color")], {}, [picture(912, 50, 40)], **red)
    depth = adapter("t2i-depth", 909, (8, 12, 12), rows(910, 3, 40, 56), num_res_blocks=1)
    family.ask("adapters", adapted([lines, depth]), 64, 64, "ddim", 9, [steer("t2i-sketch", 0.6), steer("t2i-depth", 0.9)],
               dict(adapter_conditioning_scale=[0.6, 0.9]), [grey(919, 64, 64), picture(920, 64, 64)], **red)
    net_pipeline = lambda network: family.pipeline(StableDiffusionControlNetPipeline, controlnet=network)
    family.ask("scribble", net_pipeline(net), 88, 72, "ddim", 3, [steer("controlnet-scribble", 0.7)],
               dict(controlnet_conditioning_scale=0.7), [picture(913, 88, 72)], **red)
    family.ask("span", net_pipeline(net), 72, 56, "ddim", 4, [steer("controlnet-scribble", 1.0, 0.25, 0.75)],
               dict(control_guidance_start=0.25, control_guidance_end=0.75), [picture(914, 72, 56)], **red)
    family.ask("two", net_pipeline([net, other]), 64, 64, "ddim", 5,
               [steer("controlnet-scribble", 0.5, 0.0, 0.5), steer("controlnet-bgr", 0.9)],
               dict(controlnet_conditioning_scale=[0.5, 0.9], control_guidance_start=[0.0, 0.0], control_guidance_end=[0.5, 1.0]),
               [picture(915, 64, 64), picture(916, 64, 64)], **red)
    from_image = family.pipeline(StableDiffusionControlNetImg2ImgPipeline, controlnet=net)
    # diffusers' own scale for this pipeline is 0.8.
    family.ask("from-image", from_image, 96, 64, "ddim", 6, [steer("controlnet-scribble", 0.8, 0.0, 0.7)],
               dict(controlnet_conditioning_scale=0.8, control_guidance_end=0.7), [picture(917, 96, 64)], image=picture(918, 96, 64), rows=1, strength=0.75, **red)
    family.write()


def sdxl():
    widths = (8, 12, 16)
    unet = tiny_unet(940, block_out_channels=widths, cross_attention_dim=24 + 32, attention_head_dim=[2, 3, 4],
                     down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                     up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                     transformer_layers_per_block=[1, 1, 2], use_linear_projection=True,
                     addition_embed_type="text_time", addition_time_embed_dim=6,
                     projection_class_embeddings_input_dim=18 + 6 * 6)
    family = Family("sdxl", StableDiffusionXLPipeline, unet)
    rows = lambda seed, channels, height, width: torch.rand(
        2, channels, height, width, generator=torch.Generator().manual_seed(seed))
    lines = adapter("t2i-sketch-xl", 921, (*widths, widths[-1]), rows(922, 3, 48, 80),
                    adapter_type="full_adapter_xl", downscale_factor=16)
    net = controlnet("controlnet-canny-xl", 923, unet, rows(924, 3, 40, 56), conditioning_embedding_out_channels=(4, 6, 8, 10))
    family.parts["scheduler"] = EulerDiscreteScheduler.from_config(family.parts["scheduler"].config)
    house = dict(prompt="a house with a red roof", negative_prompt="snow", steps=4, guidance_scale=4.0)
    adapted = family.pipeline(StableDiffusionXLAdapterPipeline, adapter=lines)
    family.ask("sketch", adapted, 112, 80, "euler", 7, [steer("t2i-sketch-xl", 0.9, 0.0, 0.6)],
               dict(adapter_conditioning_scale=0.9, adapter_conditioning_factor=0.6), [picture(931, 112, 80)], **house)
    steered = family.pipeline(StableDiffusionXLControlNetPipeline, controlnet=net)
    family.ask("canny", steered, 88, 72, "euler", 8, [steer("controlnet-canny-xl", 0.6, 0.0, 0.5)],
               dict(controlnet_conditioning_scale=0.6, control_guidance_end=0.5), [picture(932, 88, 72)], **house)
    family.write()


def pictures():
    """What OpenCV makes of shapes over a gradient with some noise."""
    random = np.random.default_rng(941)
    height, width = 120, 152
    y, x = np.mgrid[0:height, 0:width]
    painted = np.stack([200 + 0.3 * x, 230 - 0.2 * y, 180 + 0.2 * (x + y)], 2)
    painted = np.ascontiguousarray(np.clip(painted + random.normal(0, 4, painted.shape), 0, 255).astype(np.uint8))
    cv2.circle(painted, (50, 60), 30, (180, 40, 30), -1, cv2.LINE_AA)
    cv2.line(painted, (10, 100), (140, 20), (20, 20, 40), 3, cv2.LINE_AA)
    cv2.rectangle(painted, (95, 70), (135, 105), (30, 110, 60), -1)
    cv2.putText(painted, "a", (60, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, (90, 60, 160), 2, cv2.LINE_AA)
    float_picture = painted.astype(np.float32)
    blur = lambda sigma: cv2.GaussianBlur(float_picture, (0, 0), sigma)
    darker = np.min(blur(5.0) - blur(0.5), axis=2)
    folder = HERE / "pictures"
    folder.mkdir()
    white = lambda lines: Image.fromarray(np.repeat((lines * 255).astype(np.uint8)[..., None], 3, 2))
    Image.fromarray(painted).save(folder / "picture.png")
    white(cv2.Canny(painted, 100, 200) > 0).save(folder / "canny.png")
    white(darker > 16).save(folder / "xdog.png")


if __name__ == "__main__":
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    sd15()
    sdxl()
    pictures()
    for readme in HERE.rglob("README.md"):
        readme.unlink()
    record_versions(HERE, diffusers, torch)
