"""Makes the parity fixtures of LoRAs of flow models under the names of the original code of FLUX.1
and Stable Diffusion 3, for `tests/flow_loras.rs`.

    python tests/parity/flow_loras.py

reads the models that `flow_models.py` made, and remakes `tests/parity/fixtures/flow-loras/`. For
each model `MODEL.safetensors` is a LoRA of every layer, with an alpha beside each, in dotted names
without a beginning; the test makes the other namings of it. `MODEL-expected.safetensors` holds the
transformer's `output` for the inputs in `networks.safetensors`, and the `final` latents of the whole
pipeline for `latents`.

The layers that the original code has in one piece are cut up by diffusers itself: the weights go
back to their original names, get the LoRA's difference there, and come again through diffusers'
converter of single files.
"""

import shutil
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import FluxPipeline, StableDiffusion3Pipeline
from diffusers.loaders import single_file_utils
from networks import noise
from record import record_versions
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent / "fixtures" / "flow-loras"
MODELS = HERE.parent / "flow-models"
WEIGHT, RANK = 0.7, 2


def attention(names):
    return [f"attn.{name}" for name in names]


QKV, ADDED = ["to_q", "to_k", "to_v"], ["add_q_proj", "add_k_proj", "add_v_proj"]

FLUX_DOUBLE = {
    "img_mod.lin": ["norm1.linear"],
    "txt_mod.lin": ["norm1_context.linear"],
    "img_attn.qkv": attention(QKV),
    "txt_attn.qkv": attention(ADDED),
    "img_attn.proj": ["attn.to_out.0"],
    "txt_attn.proj": ["attn.to_add_out"],
    "img_mlp.0": ["ff.net.0.proj"],
    "img_mlp.2": ["ff.net.2"],
    "txt_mlp.0": ["ff_context.net.0.proj"],
    "txt_mlp.2": ["ff_context.net.2"],
}
FLUX_SINGLE = {
    "modulation.lin": ["norm.linear"],
    "linear1": attention(QKV) + ["proj_mlp"],
    "linear2": ["proj_out"],
}
TIME = "time_text_embed"
FLUX_OTHERS = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": f"{TIME}.timestep_embedder.linear_1",
    "time_in.out_layer": f"{TIME}.timestep_embedder.linear_2",
    "vector_in.in_layer": f"{TIME}.text_embedder.linear_1",
    "vector_in.out_layer": f"{TIME}.text_embedder.linear_2",
    "guidance_in.in_layer": f"{TIME}.guidance_embedder.linear_1",
    "guidance_in.out_layer": f"{TIME}.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
FLUX_NORMS = {
    "double_blocks.{}.img_attn.norm.query_norm.scale": "transformer_blocks.{}.attn.norm_q.weight",
    "double_blocks.{}.img_attn.norm.key_norm.scale": "transformer_blocks.{}.attn.norm_k.weight",
    "double_blocks.{}.txt_attn.norm.query_norm.scale": "transformer_blocks.{}.attn.norm_added_q.weight",
    "double_blocks.{}.txt_attn.norm.key_norm.scale": "transformer_blocks.{}.attn.norm_added_k.weight",
    "single_blocks.{}.norm.query_norm.scale": "single_transformer_blocks.{}.attn.norm_q.weight",
    "single_blocks.{}.norm.key_norm.scale": "single_transformer_blocks.{}.attn.norm_k.weight",
}
SD3_BLOCK = {
    "x_block.attn.qkv": attention(QKV),
    "context_block.attn.qkv": attention(ADDED),
    "x_block.attn2.qkv": [f"attn2.{name}" for name in QKV],
    "x_block.attn.proj": ["attn.to_out.0"],
    "x_block.attn2.proj": ["attn2.to_out.0"],
    "context_block.attn.proj": ["attn.to_add_out"],
    "x_block.mlp.fc1": ["ff.net.0.proj"],
    "x_block.mlp.fc2": ["ff.net.2"],
    "context_block.mlp.fc1": ["ff_context.net.0.proj"],
    "context_block.mlp.fc2": ["ff_context.net.2"],
    "x_block.adaLN_modulation.1": ["norm1.linear"],
    "context_block.adaLN_modulation.1": ["norm1_context.linear"],
}
SD3_OTHERS = {
    "x_embedder.proj": "pos_embed.proj",
    "context_embedder": "context_embedder",
    "t_embedder.mlp.0": f"{TIME}.timestep_embedder.linear_1",
    "t_embedder.mlp.2": f"{TIME}.timestep_embedder.linear_2",
    "y_embedder.mlp.0": f"{TIME}.text_embedder.linear_1",
    "y_embedder.mlp.2": f"{TIME}.text_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
SD3_NORMS = {
    "joint_blocks.{}.x_block.attn.ln_q.weight": "transformer_blocks.{}.attn.norm_q.weight",
    "joint_blocks.{}.x_block.attn.ln_k.weight": "transformer_blocks.{}.attn.norm_k.weight",
    "joint_blocks.{}.context_block.attn.ln_q.weight": "transformer_blocks.{}.attn.norm_added_q.weight",
    "joint_blocks.{}.context_block.attn.ln_k.weight": "transformer_blocks.{}.attn.norm_added_k.weight",
    "joint_blocks.{}.x_block.attn2.ln_q.weight": "transformer_blocks.{}.attn2.norm_q.weight",
    "joint_blocks.{}.x_block.attn2.ln_k.weight": "transformer_blocks.{}.attn2.norm_k.weight",
}


class Original:
    """A transformer's weights under the names of the original code, and the way back."""

    def __init__(self, network, blocks, others, norms, convert):
        self.network, self.convert = network, convert
        state = network.state_dict()
        self.state, self.modules = {}, []
        modules = {name: [module] for name, module in others.items()}
        for (begins, own), table in blocks.items():
            count = len(getattr(network, own))
            modules |= {
                f"{begins}.{i}.{name}": [f"{own}.{i}.{part}" for part in parts]
                for i in range(count) for name, parts in table.items()
            }
        for name, parts in modules.items():
            if f"{parts[0]}.weight" not in state:
                continue
            last = f"joint_blocks.{len(network.transformer_blocks) - 1}.context_block.adaLN_modulation.1"
            swaps = name in ("final_layer.adaLN_modulation.1", last)
            for end in ("weight", "bias"):
                value = torch.cat([state[f"{part}.{end}"] for part in parts])
                self.state[f"{name}.{end}"] = torch.cat(value.chunk(2)[::-1]) if swaps else value
            self.modules.append(name)
        for name, own in norms.items():
            for i in range(40):
                if own.format(i) in state:
                    self.state[name.format(i)] = state[own.format(i)]
        if "pos_embed.pos_embed" in state:
            self.state["pos_embed"] = state["pos_embed.pos_embed"]
        back = convert(dict(self.state))
        assert back.keys() == state.keys(), back.keys() ^ state.keys()
        assert all(torch.equal(back[key], state[key]) for key in state)

    def lora(self, seed):
        """A LoRA of every layer, its tensors by name, and the weights with it."""
        generator = torch.Generator().manual_seed(seed)
        tensors, changed = {}, dict(self.state)
        for number, name in enumerate(self.modules):
            weight = changed[f"{name}.weight"]
            inputs = weight.shape[1:]
            down = (torch.randn(RANK, *inputs, generator=generator) * 0.3).half()
            up = (torch.randn(weight.shape[0], RANK, *[1] * (len(inputs) - 1), generator=generator) * 0.3).half()
            alpha = 0.5 + 0.25 * (number % 5)
            tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
            tensors[f"{name}.alpha"] = torch.tensor(alpha).half()
            delta = (up.float().flatten(1) @ down.float().flatten(1)).reshape(weight.shape)
            changed[f"{name}.weight"] = weight + WEIGHT * alpha / RANK * delta
        return tensors, self.convert(changed)


def narrow_flux(width):
    """diffusers' converter of FLUX.1, which has the width as a number in it, for another one."""
    convert = single_file_utils.convert_flux_transformer_checkpoint_to_diffusers
    code = convert.__code__
    constants = tuple(width if value == 3072 else value for value in code.co_consts)
    assert constants != code.co_consts
    return type(convert)(code.replace(co_consts=constants), convert.__globals__, closure=convert.__closure__)


@torch.no_grad()
def flux(name, seed):
    pipeline = FluxPipeline.from_pretrained(MODELS / name, torch_dtype=torch.float32)
    network = pipeline.transformer
    blocks = {
        ("double_blocks", "transformer_blocks"): FLUX_DOUBLE,
        ("single_blocks", "single_transformer_blocks"): FLUX_SINGLE,
    }
    original = Original(network, blocks, FLUX_OTHERS, FLUX_NORMS, narrow_flux(network.inner_dim))
    tensors, changed = original.lora(seed)
    given = load_file(MODELS / name / "networks.safetensors")
    sample = given["denoiser.sample"]
    height, width = sample.shape[-2:]

    def run():
        states = given["denoiser.encoder_hidden_states"]
        ids = FluxPipeline._prepare_latent_image_ids(1, height // 2, width // 2, "cpu", torch.float32)
        output = network(
            FluxPipeline._pack_latents(sample, *sample.shape), states, given["denoiser.text_embeds"],
            given["denoiser.timesteps"] / 1000, ids, torch.zeros(states.shape[1], 3), given.get("denoiser.guidance"),
        ).sample
        return FluxPipeline._unpack_latents(output, height * 8, width * 8, 8)

    latents = noise(seed, 1, 4, 6, 8)
    finish = lambda: FluxPipeline._unpack_latents(
        pipeline("a red apple", num_inference_steps=3, guidance_scale=2.0, width=64, height=48,
                 max_sequence_length=256 if name == "flux-schnell" else 512,
                 latents=FluxPipeline._pack_latents(latents, *latents.shape), output_type="latent").images, 48, 64, 8)
    write(name, pipeline, tensors, changed, run, finish, given, latents)


@torch.no_grad()
def sd3(name, seed):
    absent = {part: None for part in ("text_encoder_3", "tokenizer_3") if not (MODELS / name / part).exists()}
    pipeline = StableDiffusion3Pipeline.from_pretrained(
        MODELS / name, torch_dtype=torch.float32, image_encoder=None, feature_extractor=None, **absent
    )
    network = pipeline.transformer
    blocks = {("joint_blocks", "transformer_blocks"): SD3_BLOCK}
    convert = single_file_utils.convert_sd3_transformer_checkpoint_to_diffusers
    tensors, changed = Original(network, blocks, SD3_OTHERS, SD3_NORMS, convert).lora(seed)
    given = load_file(MODELS / name / "networks.safetensors")
    run = lambda: network(
        given["denoiser.sample"], given["denoiser.encoder_hidden_states"], given["denoiser.text_embeds"],
        given["denoiser.timesteps"],
    ).sample
    latents = noise(seed, 1, 4, 6, 8)
    finish = lambda: pipeline("a red apple", num_inference_steps=3, guidance_scale=2.0, width=64, height=48,
                              latents=latents, output_type="latent").images
    write(name, pipeline, tensors, changed, run, finish, given, latents)


def write(name, pipeline, tensors, changed, run, finish, given, latents):
    pipeline.set_progress_bar_config(disable=True)
    plain, plain_final = run(), finish()
    assert (plain - given["denoiser.output"]).abs().max() < 1e-4
    pipeline.transformer.load_state_dict(changed)
    expected = dict(output=run(), latents=latents, final=finish())
    for value in expected.values():
        assert torch.isfinite(value).all() and value.abs().max() < 1e4, name
    assert (expected["output"] - plain).abs().max() > 1e-2 and (expected["final"] - plain_final).abs().max() > 1e-2
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, HERE / f"{name}.safetensors")
    save_file({key: value.contiguous().clone() for key, value in expected.items()}, HERE / f"{name}-expected.safetensors")


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    flux("flux-schnell", 501)
    flux("flux-dev", 502)
    sd3("sd3", 503)
    sd3("sd35", 504)
    record_versions(HERE, diffusers, torch, transformers)


if __name__ == "__main__":
    main()
