"""One runtime's times for the stages of a window: run by compare.py, prints JSON.

    python benches/peers/stages.py RUNTIME --model FOLDER --window PIXELS --rounds N --rows N

Runtimes: torch-f32, torch-bf16, torch-compile, openvino-f32, openvino-bf16.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

WARM_UP = 3


class Encode(torch.nn.Module):
    """`[1, 3, side, side]` to latents, the mean where the encoder gives a distribution."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, image):
        if isinstance(self.vae, AutoencoderTiny):
            return self.vae.encode(image).latents
        return self.vae.encode(image).latent_dist.mean


class Decode(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latents):
        return self.vae.decode(latents, return_dict=False)[0]


class Step(torch.nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, conditioning):
        return self.unet(sample, timestep, encoder_hidden_states=conditioning, return_dict=False)[0]


def stages(model, window, rows):
    """Name, module and example inputs of each stage."""
    named = json.loads((Path(model) / "vae/config.json").read_text())["_class_name"]
    vae_class = {"AutoencoderTiny": AutoencoderTiny, "AutoencoderKL": AutoencoderKL}[named]
    vae = vae_class.from_pretrained(model, subfolder="vae", torch_dtype=torch.float32).eval()
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet", torch_dtype=torch.float32).eval()
    image = torch.rand(1, 3, window, window) * 2 - 1
    with torch.no_grad():
        latents = Encode(vae)(image)
    side = latents.shape[-1]
    sample = torch.randn(rows, unet.config.in_channels, side, side)
    tokens = 32 if "storybook" in str(model) else 77
    conditioning = torch.randn(rows, tokens, unet.config.cross_attention_dim)
    return [
        ("encode", Encode(vae), (image,)),
        ("UNet step", Step(unet), (sample, torch.full((rows,), 999.0), conditioning)),
        ("decode", Decode(vae), (latents,)),
    ]


def in_torch(module, inputs, dtype, compiled):
    module = module.to(dtype)
    inputs = [value.to(dtype) for value in inputs]
    if compiled:
        module = torch.compile(module)
    return lambda: module(*inputs)


def in_openvino(module, inputs, precision):
    """What runs the module, and which of OpenVINO's kernels that takes."""
    import openvino

    network = openvino.convert_model(module, example_input=inputs, input=[list(value.shape) for value in inputs])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if isinstance(module, Step) and precision == "f32":
        # 2026.4 crashes on some processors when it fuses this network's attention in f32.
        settings["SNIPPETS_MODE"] = "DISABLE"
    compiled = openvino.compile_model(network, "CPU", settings)
    request = compiled.create_infer_request()
    values = [value.numpy() for value in inputs]
    nodes = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    return (lambda: request.infer(values)), {str(node["primitiveType"].value) for node in nodes if "primitiveType" in node}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime", choices=["torch-f32", "torch-bf16", "torch-compile", "openvino-f32", "openvino-bf16"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--window", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    times, primitives = {}, set()
    for name, module, inputs in stages(asked.model, asked.window, asked.rows):
        if asked.runtime.startswith("openvino"):
            run, kinds = in_openvino(module, inputs, asked.runtime.removeprefix("openvino-"))
            primitives.update(kinds)
        else:
            dtype = torch.bfloat16 if asked.runtime == "torch-bf16" else torch.float32
            run = in_torch(module, inputs, dtype, asked.runtime == "torch-compile")
        for _ in range(WARM_UP):
            run()
        taken = []
        for _ in range(asked.rounds):
            start = time.perf_counter()
            run()
            taken.append((time.perf_counter() - start) * 1e3)
        times[name] = statistics.median(taken)
    print(json.dumps({"stages": times, "primitives": sorted(primitives)}))


if __name__ == "__main__":
    main()
