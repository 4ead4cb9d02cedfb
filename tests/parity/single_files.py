"""Makes the fixtures of single-file checkpoints: tiny random models of each line, written with the
names of Stability's own code, and what diffusers' folder of the same model has in it.

    python tests/parity/single_files.py

remakes `tests/parity/fixtures/single-files/`. The names are made here, by turning diffusers' around;
diffusers' own conversion must lead back to the same tensors, or the script stops.

    python tests/parity/single_files.py check FAMILY FOLDER

loads a folder that `impasto model convert` made of a family's file, and compares what its networks
compute with what the fixture has.
"""

import gzip
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import diffusers
import safetensors
import torch
import transformers
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionXLPipeline,
)
from diffusers.loaders import single_file_utils as theirs
from networks import BEGIN, END, PROMPTS, Expected, noise, randomise, stable_diffusion, text_encoder, tiny_vae, tokenizer, unet
from record import record_versions
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

HERE = Path(__file__).parent / "fixtures" / "single-files"
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}
UNET = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}


def unet_name(name, config):
    """Stability's name of a UNet's tensor."""
    module, end = name.rsplit(".", 1)
    if module in UNET:
        return f"{UNET[module]}.{end}"
    way, *path = module.split(".")
    blocks = len(config.block_out_channels)
    layers = config.layers_per_block
    layers = [layers] * blocks if isinstance(layers, int) else list(layers)
    if way == "mid_block":
        kind, number, *rest = path
        rest = RESNET[".".join(rest)] if kind == "resnets" else ".".join(rest)
        return f"middle_block.{2 * int(number) if kind == 'resnets' else 1}.{rest}.{end}"
    block, kind, number, *rest = path
    block, number, rest = int(block), int(number), ".".join(rest)
    if way == "down_blocks":
        start = 1 + sum(count + 1 for count in layers[:block])
        if kind == "downsamplers":
            return f"input_blocks.{start + layers[block]}.0.op.{end}"
        prefix = "input_blocks"
    else:
        counts = [count + 1 for count in reversed(layers)]
        start = sum(counts[:block])
        if kind == "upsamplers":
            place = 2 if config.up_block_types[block].startswith("CrossAttn") else 1
            return f"output_blocks.{start + counts[block] - 1}.{place}.conv.{end}"
        prefix = "output_blocks"
    if kind == "resnets":
        return f"{prefix}.{start + number}.0.{RESNET[rest]}.{end}"
    return f"{prefix}.{start + number}.1.{rest}.{end}"


def vae_tensor(name, tensor, levels):
    """Stability's name of an autoencoder's tensor, and the tensor as it is there."""
    module, end = name.rsplit(".", 1)
    parts = module.split(".")
    if "attentions" in parts:
        side, rest = parts[0], ".".join(parts[4:])
        ours = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}[rest]
        if tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        return f"{side}.mid.attn_1.{ours}.{end}", tensor
    module = module.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    module = module.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    module = module.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")
    module = module.replace("down_blocks", "down").replace("resnets", "block")
    for level in range(levels):
        if module.startswith(f"decoder.up_blocks.{level}."):
            module = module.replace(f"up_blocks.{level}", f"up.{levels - 1 - level}")
            break
    return f"{module}.{end}", tensor


def open_clip(state, prefix):
    """OpenCLIP's tensors of a text encoder with transformers' names."""
    names = {
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.final_layer_norm.weight": "ln_final.weight",
        "text_model.final_layer_norm.bias": "ln_final.bias",
    }
    modules = {
        "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    }
    file = {}
    for name, tensor in state.items():
        if name == "text_projection.weight":
            file[prefix + "text_projection"] = tensor.T
        elif name in names:
            file[prefix + names[name]] = tensor
        else:
            layer, rest = name.removeprefix("text_model.encoder.layers.").split(".", 1)
            module, end = rest.rsplit(".", 1)
            block = f"{prefix}transformer.resblocks.{layer}"
            if module in modules:
                file[f"{block}.{modules[module]}.{end}"] = tensor
            elif module == "self_attn.q_proj":
                parts = [state[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
                file[f"{block}.attn.in_proj_{end}"] = torch.cat(parts)
    return file


def with_text_model(state):
    """The names that folders on the hub have; transformers 5 leaves the outer module out."""
    named = lambda name: name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"
    return {named(name): tensor for name, tensor in state.items()}


def same(name, found, wanted):
    assert found.keys() == wanted.keys(), (name, found.keys() ^ wanted.keys())
    for key, tensor in wanted.items():
        assert torch.equal(found[key], tensor), (name, key)


def unet_file(network):
    """A UNet's part of a file, checked with diffusers' conversion where that can read it."""
    state, config = network.state_dict(), network.config
    file = {"model.diffusion_model." + unet_name(name, config): tensor for name, tensor in state.items()}
    if isinstance(config.layers_per_block, int):
        same("unet", theirs.convert_ldm_unet_checkpoint(dict(file), dict(config)), state)
    return file


def vae_file(network):
    state, config = network.state_dict(), network.config
    levels = len(config.block_out_channels)
    named = dict(vae_tensor(name, tensor, levels) for name, tensor in state.items())
    file = {f"first_stage_model.{name}": tensor for name, tensor in named.items()}
    same("vae", theirs.convert_ldm_vae_checkpoint(dict(file), dict(config)), state)
    return file


def clip_file(network, prefix):
    state = with_text_model(network.state_dict())
    file = {prefix + name: tensor for name, tensor in state.items()}
    same("clip", theirs.convert_ldm_clip_checkpoint(dict(file)), state)
    return file


def open_clip_file(network, prefix):
    state = with_text_model(network.state_dict())
    file = open_clip(state, prefix)
    same("openclip", theirs.convert_open_clip_checkpoint(network, dict(file), prefix=prefix), state)
    return file


def tensors_of(file):
    """What a safetensors file has: number format, shape and hash of the bytes of each tensor."""
    found = {}
    tensors = load_file(file)
    tensors = with_text_model(tensors) if file.name == "model.safetensors" else tensors
    for name, tensor in tensors.items():
        data = tensor.contiguous().view(torch.uint8) if tensor.ndim else tensor.reshape(1).view(torch.uint8)
        sha256 = hashlib.sha256(data.numpy().tobytes()).hexdigest()
        dtype = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}[tensor.dtype]
        found[name] = [dtype, list(tensor.shape), sha256]
    return found


def folder_of(pipeline):
    """All that diffusers' folder of a pipeline says, weights as hashes."""
    with tempfile.TemporaryDirectory() as place:
        pipeline.save_pretrained(place)
        place = Path(place)
        read = lambda path: json.loads((place / path).read_text())
        components = {}
        for weights in sorted(place.glob("*/*.safetensors")):
            name = weights.parent.name
            components[name] = {"config": read(f"{name}/config.json"), "tensors": tensors_of(weights)}
        return {
            "model_index": read("model_index.json"),
            "scheduler": read("scheduler/scheduler_config.json"),
            "components": components,
        }


def vae(seed, **config):
    """Two levels: a quarter of the bytes of four."""
    return randomise(
        diffusers.AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, norm_num_groups=8, **config,
        ),
        seed,
    )


def write(family, pipeline, file, expected, others):
    """`others` are tensors of the kinds that real files have beside the networks'."""
    folder = HERE / family
    folder.mkdir(parents=True)
    tensors = {name: tensor.contiguous().clone() for name, tensor in {**file, **others}.items()}
    save_file(tensors, folder / f"{family}.safetensors")
    (folder / "folder.json").write_text(json.dumps(folder_of(pipeline)) + "\n")
    save_file(expected.tensors, folder / "expected.safetensors")


def half(parts, dtype):
    """Rounds the weights as they will lie in the file, and computes in float32 all the same."""
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.to(dtype).float()


def as_stored(pipeline, dtype):
    pipeline.to(dtype=dtype)
    return pipeline.components


BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def sd15():
    """Stable Diffusion 1.5: CLIP, eight heads, convolutions around the transformers; float16."""
    parts = dict(
        unet=unet(501, layers_per_block=2, attention_head_dim=8, norm_num_groups=8, sample_size=64),
        vae=vae(502, sample_size=512),
        text_encoder=text_encoder(503, 77, num_attention_heads=1, projection_dim=768),
        tokenizer=tokenizer(77),
        scheduler=PNDMScheduler(**BETAS, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1),
    )
    expected = Expected()
    expected.unet(parts["unet"])
    expected.vae(parts["vae"])
    expected.text(parts["text_encoder"], parts["tokenizer"])
    pipeline = stable_diffusion(**parts)
    parts = as_stored(pipeline, torch.float16)
    file = {
        **unet_file(parts["unet"]), **vae_file(parts["vae"]),
        **clip_file(parts["text_encoder"], "cond_stage_model.transformer."),
    }
    others = {
        "alphas_cumprod": torch.ones(10), "betas": torch.ones(10), "global_step": torch.tensor(840000),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "model_ema.decay": torch.tensor(0.5), "model_ema.num_updates": torch.tensor(7, dtype=torch.int32),
        "first_stage_model.loss.logvar": torch.zeros(()),
    }
    write("sd15", pipeline, file, expected, others)


def sd21():
    """Stable Diffusion 2.1: OpenCLIP's 24 layers, of which diffusers has 23; bfloat16."""
    text = lambda layers: text_encoder(
        513, 77, hidden_size=16, intermediate_size=24, num_hidden_layers=layers, num_attention_heads=1,
        hidden_act="gelu", projection_dim=512, pad_token_id=0,
    )
    parts = dict(
        unet=unet(
            511, attention_head_dim=[1, 1], norm_num_groups=8, cross_attention_dim=16, sample_size=96,
            use_linear_projection=True, upcast_attention=True,
        ),
        vae=vae(512, sample_size=768),
        text_encoder=text(23),
        tokenizer=tokenizer(77, pad_token="!"),
        scheduler=DDIMScheduler(
            **BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction"
        ),
    )
    half(parts, torch.bfloat16)
    expected = Expected()
    expected.unet(parts["unet"])
    expected.vae(parts["vae"])
    expected.text(parts["text_encoder"], parts["tokenizer"])
    pipeline = stable_diffusion(**parts)
    parts = as_stored(pipeline, torch.bfloat16)
    prefix = "cond_stage_model.model."
    whole = with_text_model(text(24).to(torch.bfloat16).state_dict())
    last = open_clip({name: tensor for name, tensor in whole.items() if ".layers.23." in name}, prefix)
    assert last.keys() < set(theirs.SD_2_TEXT_ENCODER_KEYS_TO_IGNORE)
    text_file = {
        **open_clip_file(parts["text_encoder"], prefix), **last,
        prefix + "text_projection": noise(514, 16, 16).bfloat16(), prefix + "logit_scale": torch.tensor(4.6),
    }
    back = theirs.convert_open_clip_checkpoint(parts["text_encoder"], dict(text_file), prefix=prefix)
    same("openclip", back, with_text_model(parts["text_encoder"].state_dict()))
    file = {**unet_file(parts["unet"]), **vae_file(parts["vae"]), **text_file}
    write("sd21", pipeline, file, expected, {"alphas_cumprod": torch.ones(10)})


def sdxl_unet(seed, **config):
    usual = dict(
        norm_num_groups=8, cross_attention_dim=24 + 16, attention_head_dim=[1, 1], sample_size=128,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=[1, 2], use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=20 + 6 * 8,
    )
    return unet(seed, **{**usual, **config})


TIME_IDS = torch.tensor([[512.0, 768.0, 0.0, 16.0, 1024.0, 640.0], [64.0, 64.0, 8.0, 0.0, 64.0, 64.0]])


def sdxl():
    """SDXL: both text encoders, sizes and pooled text beside the timestep; float16."""
    parts = dict(
        unet=sdxl_unet(521),
        vae=vae(522, sample_size=1024, scaling_factor=0.13025),
        text_encoder=text_encoder(523, 77, num_attention_heads=1, projection_dim=768),
        text_encoder_2=text_encoder(
            524, 77, CLIPTextModelWithProjection, hidden_size=16, num_attention_heads=1, hidden_act="gelu",
            pad_token_id=0,
        ),
        tokenizer=tokenizer(77),
        tokenizer_2=tokenizer(77, pad_token="!"),
        scheduler=EulerDiscreteScheduler(**BETAS, steps_offset=1, timestep_spacing="leading"),
    )
    expected = Expected()
    expected.unet(parts["unet"], text_embeds=noise(6, 2, 20), time_ids=TIME_IDS)
    expected.vae(parts["vae"])
    expected.text(parts["text_encoder"], parts["tokenizer"])
    expected.text(parts["text_encoder_2"], parts["tokenizer_2"], name="text_2")
    pipeline = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    parts = as_stored(pipeline, torch.float16)
    file = {
        **unet_file(parts["unet"]), **vae_file(parts["vae"]),
        **clip_file(parts["text_encoder"], "conditioner.embedders.0.transformer."),
        **open_clip_file(parts["text_encoder_2"], "conditioner.embedders.1.model."),
    }
    others = {
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.6),
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "denoiser.sigmas": torch.ones(10),
    }
    write("sdxl", pipeline, file, expected, others)


def small_unets():
    """Distilled UNets, which have fewer blocks: to be put in the place of a line's own."""
    shapes = {
        # SSD-1B and Segmind-Vega: no attention at the bottom, more or fewer transformers on the way up.
        "ssd-1b": sdxl_unet(
            531, block_out_channels=(8, 8, 8), layers_per_block=2, attention_head_dim=[1, 1, 1],
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 1, 2], mid_block_type="UNetMidBlock2D",
            reverse_transformer_layers_per_block=[[2, 2, 3], [2, 1, 1], 1],
        ),
        # SDXS: nothing at the bottom, a first block that only looks at the prompt.
        "sdxs": unet(
            532, block_out_channels=(8, 8), attention_head_dim=[1, 1], norm_num_groups=8, mid_block_type=None,
            cross_attention_dim=16, use_linear_projection=True, upcast_attention=True, sample_size=96,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), only_cross_attention=[True, False],
        ),
        # Counts of their own in each block.
        "uneven": unet(
            533, block_out_channels=(8, 8), layers_per_block=[1, 2], attention_head_dim=8, norm_num_groups=8,
            sample_size=64,
        ),
    }
    for name, network in shapes.items():
        folder = HERE / name
        folder.mkdir(parents=True)
        expected = Expected()
        added = dict(text_embeds=noise(6, 2, 20), time_ids=TIME_IDS) if name == "ssd-1b" else {}
        expected.unet(network, **added)
        save_file(expected.tensors, folder / "expected.safetensors")
        network.half()
        file = {name: tensor.contiguous().clone() for name, tensor in unet_file(network).items()}
        save_file(file, folder / "unet.safetensors")
        with tempfile.TemporaryDirectory() as place:
            network.save_pretrained(place)
            weights = Path(place) / "diffusion_pytorch_model.safetensors"
            config = json.loads((Path(place) / "config.json").read_text())
            said = {"config": config, "tensors": tensors_of(weights)}
        (folder / "unet.json").write_text(json.dumps(said) + "\n")


def taesd():
    """TAESD's own two files. Its decoder begins with a clamp that diffusers does not count."""
    network = tiny_vae(541, width=4, blocks=(1, 2, 2, 2))
    folder = HERE / "taesd"
    folder.mkdir(parents=True)
    expected = Expected()
    expected.vae(network)
    save_file(expected.tensors, folder / "expected.safetensors")
    for side, uncounted in (("encoder", 0), ("decoder", 1)):
        file = {}
        for name, tensor in network.half().state_dict().items():
            if name.startswith(f"{side}.layers."):
                number, rest = name.removeprefix(f"{side}.layers.").split(".", 1)
                file[f"{int(number) + uncounted}.{rest}"] = tensor.contiguous().clone()
        save_file(file, folder / f"taesd_{side}.safetensors")


def clip_words():
    """What transformers makes of prompts with CLIP's own vocabulary, as it comes with Impasto."""
    packed = Path(__file__).parents[2] / "src/model/clip_vocabulary/merges.txt.gz"
    merges = [tuple(line.split()) for line in gzip.decompress(packed.read_bytes()).decode().splitlines()[1:]]
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(byte) for byte in seen] + [chr(256 + number) for number in range(256 - len(seen))]
    words = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    vocab = {word: number for number, word in enumerate(words + [BEGIN, END])}
    tok = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)
    rows = [{"prompt": prompt, "ids": tok(prompt, truncation=True).input_ids} for prompt in PROMPTS]
    (HERE / "clip_words.json").write_text(json.dumps(rows) + "\n")


@torch.no_grad()
def check(family, folder):
    """Whether diffusers computes the same from a converted folder as from the model itself."""
    pipeline = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    expected = load_file(HERE / family / "expected.safetensors")
    said = json.loads((HERE / family / "folder.json").read_text())
    get = lambda name: expected[name]
    added = {key: get(f"unet.{key}") for key in ("text_embeds", "time_ids") if f"unet.{key}" in expected}
    output = pipeline.unet(
        get("unet.sample"), get("unet.timesteps"), get("unet.encoder_hidden_states"),
        added_cond_kwargs=added or None,
    ).sample
    found = {"unet.output": output}
    scale = pipeline.vae.config.scaling_factor
    found["vae.latents"] = pipeline.vae.encode(get("vae.image")).latent_dist.mode() * scale
    found["vae.decoded"] = pipeline.vae.decode(get("vae.given") / scale).sample
    for name, encoder in (("text", "text_encoder"), ("text_2", "text_encoder_2")):
        network = getattr(pipeline, encoder, None)
        if network is not None:
            output = network(get(f"{name}.ids"), output_hidden_states=True)
            found[f"{name}.last_hidden_state"] = output.last_hidden_state
            if f"{name}.text_embeds" in expected:
                found[f"{name}.text_embeds"] = output.text_embeds
            tok = getattr(pipeline, encoder.replace("text_encoder", "tokenizer"))
            prompts = ["", "red apple"]
            ids = tok(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
            assert torch.equal(ids, get(f"{name}.ids")[:2]), encoder
    for name, tensor in found.items():
        error = ((tensor - get(name)).abs().max() / get(name).abs().max()).item()
        print(f"{family} {name}: {error:.1e}")
        assert error < 1e-5, name
    assert type(pipeline).__name__ == said["model_index"]["_class_name"]
    for field, value in said["scheduler"].items():
        found = pipeline.scheduler.config.get(field)
        assert field.startswith("_") or found == value, (field, found, value)
    print(f"{family}: {type(pipeline).__name__} with {type(pipeline.scheduler).__name__} from {folder} is the same")


def main():
    if sys.argv[1:2] == ["check"]:
        check(*sys.argv[2:])
        return
    shutil.rmtree(HERE, ignore_errors=True)
    torch.use_deterministic_algorithms(True)
    for family in (sd15, sd21, sdxl, small_unets, taesd):
        family()
    tokenizer(77).save_pretrained(HERE / "tokenizer")
    clip_words()
    record_versions(HERE, diffusers, safetensors, torch, transformers)


if __name__ == "__main__":
    main()
