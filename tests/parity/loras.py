"""Makes the parity fixtures of several LoRAs at once: one in each naming, over the UNet and the
text encoder of the `sd15` fixture, and what diffusers computes with them active together. Then the
same for SDXL, over the UNet and both text encoders of the `sdxl` fixture: each naming by itself,
all together, and the latents that diffusers' pipeline ends with.

    python tests/parity/loras.py

remakes `tests/parity/fixtures/loras/`, after `networks.py`, whose pipeline it reads. The versions
it ran with are in `versions.json` there.
"""

import json
import shutil
from pathlib import Path

import diffusers
import peft
import safetensors
import torch
import transformers
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from networks import noise
from record import record_versions
from safetensors.torch import load_file, save_file

FIXTURES = Path(__file__).parent / "fixtures"
HERE = FIXTURES / "loras"
NETWORKS = FIXTURES / "networks" / "sd15"
SDXL = FIXTURES / "networks" / "sdxl"

# The sets that are compared: weights of `ink` (diffusers' naming), `lcm` (kohya's) and `peft`
# (PEFT's own folder).
SETS = {
    "all": {"ink": 0.7, "lcm": -0.4, "peft": 1.3},
    "two": {"ink": 1.0, "lcm": 0.5},
    "one": {"peft": 0.25},
}

# The same of SDXL: `old` is diffusers' naming before PEFT, `new` the one since, `sgm` kohya's, which
# calls SDXL's UNet by Stability's names.
SDXL_SETS = {
    "old": {"old": 0.8},
    "new": {"new": 1.0},
    "sgm": {"sgm": 1.2},
    "all": {"old": 0.6, "new": -0.5, "sgm": 0.9},
}


def trained(network, seed, **config):
    """A LoRA of random weights, as PEFT names and scales them, rounded to half precision."""
    torch.manual_seed(seed)
    network.add_adapter(LoraConfig(init_lora_weights=False, **config), adapter_name="new")
    state = get_peft_model_state_dict(network, adapter_name="new")
    state = {key: (0.5 * value).half().contiguous() for key, value in state.items()}
    network.delete_adapters("new") if hasattr(network, "delete_adapters") else network.delete_adapter("new")
    return state


def ink(pipeline):
    """diffusers' naming, both networks, alphas in the file's metadata, one module of another rank
    and alpha."""
    of_unet = dict(
        r=2, lora_alpha=6, target_modules=["to_q", "to_out.0", "conv2", "proj_out"],
        rank_pattern={"mid_block.resnets.0.conv2": 3}, alpha_pattern={"mid_block.resnets.0.conv2": 1},
    )
    of_text = dict(r=3, lora_alpha=3, target_modules=["v_proj", "fc2"])
    StableDiffusionPipeline.save_lora_weights(
        HERE, trained(pipeline.unet, 201, **of_unet), trained(pipeline.text_encoder, 202, **of_text),
        weight_name="ink.safetensors",
        unet_lora_adapter_metadata=of_unet, text_encoder_lora_adapter_metadata=of_text,
    )


def lcm(pipeline):
    """kohya's naming, both networks, an alpha beside each module, as LCM-LoRA has it: nearly every
    layer of the UNet."""
    of_unet = dict(
        r=2, lora_alpha=1,
        target_modules=[
            "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "net.0.proj", "net.2",
            "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj",
        ],
    )
    of_text = dict(
        r=2, lora_alpha=1, target_modules=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
    )
    tensors = {}
    for beginning, network, seed, config in (
        ("lora_unet_", pipeline.unet, 203, of_unet), ("lora_te_text_model_", pipeline.text_encoder, 204, of_text),
    ):
        for key, value in trained(network, seed, **config).items():
            module, part = key.rsplit(".lora_", 1)
            name = beginning + module.replace(".", "_")
            tensors[f"{name}.lora_{'down' if part.startswith('A') else 'up'}.weight"] = value
            tensors[f"{name}.alpha"] = torch.tensor(float(config["lora_alpha"])).half()
    save_file(tensors, HERE / "lcm.safetensors")


def peft_folder(pipeline):
    """PEFT's own folder: `adapter_model.safetensors` and `adapter_config.json`, scaled by the
    rank's square root."""
    config = LoraConfig(
        r=4, lora_alpha=2, use_rslora=True, init_lora_weights=False, target_modules=["to_v", "conv1", "net.2"]
    )
    torch.manual_seed(205)
    wrapped = get_peft_model(pipeline.unet, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = (0.5 * parameter.data).half().float()
    wrapped.save_pretrained(HERE / "peft")
    wrapped.unload()
    (HERE / "peft" / "README.md").unlink(missing_ok=True)
    file = HERE / "peft" / "adapter_model.safetensors"
    save_file({key: value.half() for key, value in load_file(file).items()}, file, metadata={"format": "pt"})


def activate(pipeline, weights):
    """Loads each file as diffusers does, and PEFT's as PEFT does, and makes them all active."""
    for name in weights:
        if name == "peft":
            settings = json.loads((HERE / "peft" / "adapter_config.json").read_text())
            tensors = load_file(HERE / "peft" / "adapter_model.safetensors")
            tensors = {key.removeprefix("base_model.model."): value.float() for key, value in tensors.items()}
            pipeline.unet.load_lora_adapter(
                tensors, prefix=None, adapter_name=name,
                metadata={key: settings[key] for key in ("r", "lora_alpha", "use_rslora", "target_modules")},
            )
        else:
            pipeline.load_lora_weights(HERE, weight_name=f"{name}.safetensors", adapter_name=name)
    pipeline.set_adapters(list(weights), list(weights.values()))


def sdxl_parts(pipeline, seed, of_unet, of_text):
    """A LoRA over the UNet and both text encoders, each by its name in diffusers."""
    networks = dict(unet=of_unet, text_encoder=of_text, text_encoder_2=of_text)
    return {
        name: trained(getattr(pipeline, name), seed + number, **config)
        for number, (name, config) in enumerate(networks.items())
    }


def with_outer_module(key):
    """The names that transformers' text encoders had when the namings were made."""
    return key if key.startswith("text_model.") else f"text_model.{key}"


def old(pipeline):
    """Before PEFT: `.lora.down` in the UNet, `.lora_linear_layer.down` in the text encoders."""
    of_unet = dict(r=2, lora_alpha=2, target_modules=["to_k", "to_out.0"])
    of_text = dict(r=3, lora_alpha=3, target_modules=["q_proj", "k_proj", "v_proj", "out_proj"])
    tensors = {}
    for name, state in sdxl_parts(pipeline, 211, of_unet, of_text).items():
        lora = "lora" if name == "unet" else "lora_linear_layer"
        for key, value in state.items():
            key = key if name == "unet" else with_outer_module(key)
            key = key.replace("lora_A", f"{lora}.down").replace("lora_B", f"{lora}.up")
            tensors[f"{name}.{key}"] = value
    save_file(tensors, HERE / "sdxl-old.safetensors")


def new(pipeline):
    """diffusers' own, with PEFT's names and settings: of every network other ones."""
    of_unet = dict(r=2, lora_alpha=5, target_modules=["to_v", "proj_out", "conv1"])
    of_text = dict(
        r=2, lora_alpha=1, target_modules=["v_proj", "fc1"],
        rank_pattern={"layers.0.mlp.fc1": 4}, alpha_pattern={"layers.0.mlp.fc1": 6},
    )
    parts = sdxl_parts(pipeline, 221, of_unet, of_text)
    StableDiffusionXLPipeline.save_lora_weights(
        HERE, *parts.values(), weight_name="sdxl-new.safetensors",
        unet_lora_adapter_metadata=of_unet, text_encoder_lora_adapter_metadata=of_text,
        text_encoder_2_lora_adapter_metadata=dict(of_text, lora_alpha=3),
    )


def sgm(pipeline):
    """kohya's, an alpha beside each module."""
    of_unet = dict(
        r=2, lora_alpha=1,
        target_modules=["to_q", "proj_in", "net.0.proj", "conv1", "conv2", "conv_shortcut", "time_emb_proj"],
    )
    of_text = dict(r=2, lora_alpha=1, target_modules=["q_proj", "out_proj", "fc1", "fc2"])
    beginnings = dict(unet="lora_unet_", text_encoder="lora_te1_", text_encoder_2="lora_te2_")
    tensors = {}
    for name, state in sdxl_parts(pipeline, 231, of_unet, of_text).items():
        for key, value in state.items():
            module, part = key.rsplit(".lora_", 1)
            per_block = pipeline.unet.config.layers_per_block
            module = sgm_name(module, per_block) if name == "unet" else with_outer_module(module)
            module = beginnings[name] + module.replace(".", "_")
            tensors[f"{module}.lora_{'down' if part.startswith('A') else 'up'}.weight"] = value
            tensors[f"{module}.alpha"] = torch.tensor(1.5 if name == "text_encoder_2" else 0.5).half()
    save_file(tensors, HERE / "sdxl-sgm.safetensors")


def sgm_name(module, layers_per_block):
    """Stability's name of a UNet's module."""
    way, rest = module.split(".", 1)
    inside = {"conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
              "conv_shortcut": "skip_connection"}
    if way == "mid_block":
        kind, layer, rest = rest.split(".", 2)
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(layer)}"
    else:
        block, kind, layer, rest = rest.split(".", 3)
        number = int(block) * (layers_per_block + 1) + int(layer) + (way == "down_blocks")
        beginning = "input_blocks" if way == "down_blocks" else "output_blocks"
        place = f"{beginning}.{number}.{int(kind == 'attentions')}"
    return f"{place}.{inside.get(rest, rest)}"


def sdxl_expected():
    """What diffusers computes with each set."""
    given = load_file(SDXL / "expected.safetensors")
    added = {key: given[f"unet.{key}"] for key in ("text_embeds", "time_ids")}
    latents = noise(240, 1, 4, 6, 8)
    expected = {"latents": latents}
    plain = None
    for name, weights in {"none": {}, **SDXL_SETS}.items():
        pipeline = StableDiffusionXLPipeline.from_pretrained(SDXL, torch_dtype=torch.float32, add_watermarker=False)
        pipeline.set_progress_bar_config(disable=True)
        for lora in weights:
            pipeline.load_lora_weights(HERE, weight_name=f"sdxl-{lora}.safetensors", adapter_name=lora)
        if weights:
            pipeline.set_adapters(list(weights), list(weights.values()))
        first = pipeline.text_encoder(given["text.ids"], output_hidden_states=True)
        second = pipeline.text_encoder_2(given["text_2.ids"], output_hidden_states=True)
        found = {
            "unet": pipeline.unet(
                given["unet.sample"], given["unet.timesteps"], given["unet.encoder_hidden_states"],
                added_cond_kwargs=added,
            ).sample,
            "text": first.hidden_states[-2],
            "text_2": second.hidden_states[-2],
            "text_2_embeds": second.text_embeds,
            "final": pipeline(
                "a house with a red roof", negative_prompt="snow", num_inference_steps=4, guidance_scale=4.0,
                width=64, height=48, latents=latents, output_type="latent",
            ).images,
        }
        if plain is None:
            plain = found
            continue
        for part, value in found.items():
            assert (value - plain[part]).abs().max() > 1e-2, (name, part)
            expected[f"{name}.{part}"] = value.contiguous()
    save_file(expected, HERE / "sdxl-expected.safetensors")


@torch.no_grad()
def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)

    def fresh():
        return StableDiffusionPipeline.from_pretrained(NETWORKS, torch_dtype=torch.float32, safety_checker=None)

    for make in (ink, lcm, peft_folder):
        make(fresh())
    given = load_file(NETWORKS / "expected.safetensors")
    ids = given["text.ids"]
    expected = {}
    for name, weights in SETS.items():
        pipeline = fresh()
        plain = pipeline.unet(
            given["unet.sample"], given["unet.timesteps"], given["unet.encoder_hidden_states"]
        ).sample
        assert (plain - given["unet.output"]).abs().max() < 1e-4
        activate(pipeline, weights)
        output = pipeline.unet(
            given["unet.sample"], given["unet.timesteps"], given["unet.encoder_hidden_states"]
        ).sample
        assert (output - plain).abs().max() > 1e-2, name
        expected[f"{name}.unet"] = output.contiguous()
        expected[f"{name}.text"] = pipeline.text_encoder(ids).last_hidden_state.contiguous()
    save_file(expected, HERE / "expected.safetensors")
    for make in (old, new, sgm):
        make(StableDiffusionXLPipeline.from_pretrained(SDXL, torch_dtype=torch.float32, add_watermarker=False))
    sdxl_expected()
    record_versions(HERE, diffusers, peft, safetensors, torch, transformers)


if __name__ == "__main__":
    main()
