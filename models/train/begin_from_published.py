"""Makes checkpoints of the published weights, for training that goes on from them on a machine that has no others.

Nothing that is there is overwritten. The UNet and the image tower then begin where the published model stands, with time
boxes of their own; the autoencoder and the text encoder count as finished, since all that the others know rests on them.
"""

import math
import shutil

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel

from architecture import make_text_encoder
from settings import CLIP_MODEL, MODEL, WORK, save_checkpoint

FINISHED = ("autoencoder.pt", "text_encoder.pt")


def checkpoint_of(network, finished):
    """A network's weights as a stage would save them that is about to begin, or has used up any time box."""
    weights = {name: tensor.float() for name, tensor in network.state_dict().items()}
    return {"network": weights, "average": dict(weights), "step": 0, "seconds": math.inf if finished else 0.0}


if __name__ == "__main__":
    text = make_text_encoder()
    text.load_state_dict(CLIPTextModel.from_pretrained(MODEL / "text_encoder", dtype=torch.float32).state_dict())
    parts = {
        "autoencoder.pt": AutoencoderTiny.from_pretrained(MODEL / "vae", dtype=torch.float32),
        "text_encoder.pt": text,
        "unet.pt": UNet2DConditionModel.from_pretrained(MODEL / "unet", dtype=torch.float32),
        "image_encoder.pt": CLIPModel.from_pretrained(CLIP_MODEL, dtype=torch.float32),
    }
    for name, network in parts.items():
        if not (WORK / name).exists():
            save_checkpoint(WORK / name, **checkpoint_of(network, finished=name in FINISHED))
            print(name, sum(parameter.numel() for parameter in network.parameters()), "parameters")
    if not (WORK / "tokenizer").exists():
        shutil.copytree(MODEL / "tokenizer", WORK / "tokenizer")
