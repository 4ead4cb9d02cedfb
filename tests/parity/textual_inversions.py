"""Writes fixtures/textual-inversions: embeddings of words, and what diffusers makes of prompts with them.

The text encoder is the bundled model's. `pip install diffusers transformers torch`, then run it.
"""

import json
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from diffusers.loaders import TextualInversionLoaderMixin
from record import record_versions
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent.parent / "models" / "storybook"
FOLDER = HERE / "fixtures" / "textual-inversions"
WIDTH = 256
PROMPTS = ["a <cat-toy> on a hill", "inkwash", "boat in inkwash, <cat-toy>", "a boat"]


class Words(DiffusionPipeline, TextualInversionLoaderMixin):
    """The parts of a pipeline that textual inversions change."""

    def __init__(self, tokenizer, text_encoder):
        super().__init__()
        self.register_modules(tokenizer=tokenizer, text_encoder=text_encoder)


@torch.no_grad()
def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    vectors = lambda *shape: torch.randn(*shape, generator=generator) * 0.05
    save_file({"<cat-toy>": vectors(WIDTH)}, FOLDER / "learned_embeds.safetensors")
    save_file({"emb_params": vectors(3, WIDTH)}, FOLDER / "InkWash.safetensors")
    words = Words(CLIPTokenizer.from_pretrained(MODEL / "tokenizer"), CLIPTextModel.from_pretrained(MODEL / "text_encoder", dtype=torch.float32))
    words.load_textual_inversion(FOLDER / "learned_embeds.safetensors")
    words.load_textual_inversion(FOLDER / "InkWash.safetensors", token="inkwash")
    states = {}
    for index, prompt in enumerate(PROMPTS):
        text = words.maybe_convert_prompt(prompt, words.tokenizer)
        ids = words.tokenizer(text, padding="max_length", max_length=words.text_encoder.config.max_position_embeddings, truncation=True, return_tensors="pt").input_ids
        states[str(index)] = words.text_encoder(ids).last_hidden_state
    save_file(states, FOLDER / "states.safetensors")
    (FOLDER / "prompts.json").write_text(json.dumps(PROMPTS, indent=2) + "\n")
    record_versions(FOLDER, diffusers, transformers, torch)


if __name__ == "__main__":
    main()
