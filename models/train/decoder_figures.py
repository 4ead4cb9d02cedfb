"""Measures what decoder.py taught: clean pictures and few-step pictures, through the decoder from before and through the taught one.

    python decoder_figures.py                         # on 48 pictures of the held-out chunk
    python decoder_figures.py --count 16 --out sheet.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from architecture import make_autoencoder
from autoencoder import held_out_psnr, load_autoencoder, to_tensor
from decoder import CHECKPOINT, slopes
from drawings import landscapes, objects, objects_in_landscapes
from figures import HeldOut
from latents import encode_pictures
from made_latents import load_denoiser, make_latents
from mottle import mottle
from settings import DEVICE, WORK, load_checkpoint
from sheets import labelled, save, sheet
from text_encoder import embed, load_text_encoder
from tokenizer import load_tokenizer

#: Latents that are made at once, and those that are encoded or decoded at once.
BATCH, CODED = 8, 2
#: What the product takes.
STEPS = 2
SHOWN, SIDE = 8, 192


def load_decoders():
    """The autoencoder from before and the taught one; only the decoders differ."""
    state = load_checkpoint(CHECKPOINT)
    if state is None:
        raise SystemExit(f"There is no {CHECKPOINT}; run decoder.py first.")
    after = make_autoencoder().to(DEVICE, memory_format=torch.channels_last).eval().requires_grad_(False)
    after.load_state_dict(state["average"])
    return {"before": load_autoencoder(), "after": after}


class FewSteps:
    """Sketches and captions to the latents that few steps make, (N, 2, C, H, W)."""

    def __init__(self, autoencoder):
        self.autoencoder, self.denoiser = autoencoder, load_denoiser()
        self.tokenizer, self.text = load_tokenizer(), load_text_encoder()

    def __call__(self, sketches, captions):
        sketches = torch.from_numpy(encode_pictures(self.autoencoder, sketches, CODED)).to(DEVICE).float()
        words = embed(self.tokenizer, self.text, list(captions)).float()
        return torch.cat([make_latents(self.denoiser, *some) for some in zip(sketches.split(BATCH), words.split(BATCH))])


@torch.no_grad()
def decode(network, latents):
    """Latents to bytes (N, S, S, 3)."""
    decoded = torch.cat([network.decode(part).sample.clamp(-1, 1) for part in latents.split(CODED)])
    return ((decoded.permute(0, 2, 3, 1).cpu().numpy() + 1) * 127.5 + 0.5).astype(np.uint8)


def gradient_energies(pictures):
    """The mean squared difference between neighbours, of each picture."""
    return sum(slope.square().flatten(1).mean(1) for slope in slopes(to_tensor(pictures))).cpu().numpy()


def sharpness(made, true):
    """The gradient energy of made pictures, of the true pictures': of all together, and the median over pictures."""
    ours, theirs = gradient_energies(made), gradient_energies(true)
    return ours.sum() / theirs.sum(), float(np.median(ours / theirs))


def psnr(made, true):
    """In dB, as a mean over pictures."""
    errors = np.square((made.astype(np.float32) - true) / 255).mean((1, 2, 3))
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-6))))


def described(areas):
    return ", ".join(f"{kind} {some['deviation']:.2f} on {some['areas']}" for kind, some in areas.items() if some["areas"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48, help="held-out pictures to take, and clean ones of each kind")
    parser.add_argument("--out", type=Path, default=WORK / "decoder.png", help="where the sheet goes: sketch, before, after, true picture")
    options = parser.parse_args()
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    networks = load_decoders()
    for name, network in networks.items():
        kinds = held_out_psnr(network, options.count)
        print(f"{name}: clean, in dB:", ", ".join(f"{kind} {some['mean']:.2f}" for kind, some in kinds.items()), flush=True)

    held, few_steps = HeldOut(options.count), FewSteps(networks["before"])
    latents = few_steps(held.sketches[:, 0], held.captions)
    prompts, by_hand = zip(*landscapes(), *objects(), *objects_in_landscapes())
    by_hand_latents = few_steps(np.stack(by_hand), prompts)
    print("true pictures: mottle where the sketch is flat:", described(mottle(held.pictures, held.sketches[:, 0])))
    shown = {}
    for name, network in networks.items():
        for steps in (1, 2):
            made = decode(network, latents[:, steps - 1])
            whole, median = sharpness(made, held.pictures)
            print(f"{name}, {steps} step{'s' * (steps > 1)}: gradient energy {whole:.3f} of the true pictures' (median {median:.3f}), "
                  f"{psnr(made, held.pictures):.2f} dB, mottle where the sketch is flat:", described(mottle(made, held.sketches[:, 0])), flush=True)
            if steps == STEPS:
                shown[name] = made
        hand_made = decode(network, by_hand_latents[:, STEPS - 1])
        shown[f"{name} by hand"] = hand_made
        print(f"{name}, {STEPS} steps of the 32 sketches by hand: mottle", described(mottle(hand_made, by_hand)), flush=True)

    rows = [labelled(held.captions[row], [held.sketches[row, 0], shown["before"][row], shown["after"][row], held.pictures[row]], SIDE) for row in range(min(SHOWN, options.count))]
    chosen = range(0, len(by_hand), len(by_hand) // SHOWN)
    hand_rows = [labelled(prompts[row], [by_hand[row], shown["before by hand"][row], shown["after by hand"][row]], SIDE) for row in chosen]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save(sheet([("sketch, before, after, true picture", rows), ("by hand: sketch, before, after", hand_rows)]), options.out)
