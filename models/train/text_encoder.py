"""Trains the small text encoder to agree with MiniLM, so that words it never saw a picture of lie near ones it did.

Both its end mark and the mean of its tokens must predict MiniLM's sentence vector. It is frozen afterwards.
"""

import sys

import numpy as np
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from architecture import TEXT_WIDTH, make_text_encoder
from concepts import THINGS
from data import chunk_captions, chunk_paths
from precision import fast
from settings import DEVICE, TEXT_MINUTES, WORK, TimeBox, claim_pid, load_checkpoint, replace_file, save_checkpoint
from tokenizer import common_words, emoji_words, load_tokenizer, teacher_folder, token_ids

CHECKPOINT = WORK / "text_encoder.pt"
BATCH, RATE = 128, 1e-3
TEACHER_WIDTH = 384


def training_texts():
    """Captions, names of things, synonyms, and common words alone and in little phrases."""
    random = np.random.default_rng(3)
    names = [name for names in THINGS.values() for name in names] * 3
    names += [text for text in emoji_words() if len(text) < 40]
    words = common_words(7000)
    colours = "red green blue yellow white black brown golden orange purple pink small big old".split()
    phrases = [f"{random.choice(colours)} {random.choice(names)}" for _ in range(3000)]
    phrases += [f"a {random.choice(names)} {random.choice(['in', 'on', 'under', 'by', 'and'])} {random.choice(words[:3000])}" for _ in range(3000)]
    captions = [caption for path in chunk_paths()[1:24] for caption in chunk_captions(path)]
    return sorted({text.lower() for text in names + words + phrases + captions} | {""})


@torch.no_grad()
def teacher_vectors(texts):
    """MiniLM's unit vectors of the texts, computed once."""
    store = WORK / "teacher.npz"
    if store.exists():
        stored = np.load(store)
        return stored["texts"].tolist(), torch.from_numpy(stored["vectors"])
    tokenizer, model = AutoTokenizer.from_pretrained(teacher_folder()), AutoModel.from_pretrained(teacher_folder()).to(DEVICE).eval()
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    vectors = torch.zeros(len(texts), TEACHER_WIDTH)
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        batch = tokenizer([texts[row] for row in rows], padding=True, truncation=True, max_length=48, return_tensors="pt").to(DEVICE)
        with fast():
            hidden = model(**batch).last_hidden_state.float()
        mask = batch.attention_mask[..., None]
        vectors[rows] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).cpu()
    replace_file(store, lambda path: np.savez(open(path, "wb"), texts=np.array(texts), vectors=vectors.numpy()))
    return texts, vectors


def train(minutes):
    state = load_checkpoint(CHECKPOINT) or {"seconds": 0.0, "step": 0}
    if state["seconds"] >= 60 * minutes:
        return
    tokenizer = load_tokenizer()
    texts, vectors = teacher_vectors(training_texts())
    ids = token_ids(tokenizer, texts).to(torch.int16)
    end = tokenizer.eos_token_id
    lengths = (ids == end).int().argmax(1) + 1
    torch.manual_seed(11)
    network = make_text_encoder().to(DEVICE)
    heads = torch.nn.ModuleList([torch.nn.Linear(TEXT_WIDTH, TEACHER_WIDTH) for _ in range(2)]).to(DEVICE)
    parameters = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=0.01)
    if state["step"]:
        network.load_state_dict(state["average"])
        heads.load_state_dict(state["heads"])
        optimizer.load_state_dict(state["optimizer"])
    step, box = state["step"], TimeBox(minutes, state["seconds"])
    agreement = 0.0
    random = np.random.default_rng(step)
    while not box.done:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 200) * (1 - box.share)
        # Rows of like length together, so that little is spent on padding.
        pool = torch.from_numpy(random.integers(0, len(texts), BATCH * 8))
        pool = pool[lengths[pool].argsort()].view(8, BATCH)
        for rows in pool[torch.randperm(8)]:
            longest = int(lengths[rows].max())
            batch = ids[rows, :longest].long().to(DEVICE)
            with fast():
                hidden = network(input_ids=batch).last_hidden_state.float()
            where = (lengths[rows] - 1).to(DEVICE)
            inside = (torch.arange(longest, device=DEVICE)[None] <= where[:, None]).float()[..., None]
            pooled = [hidden[torch.arange(len(rows)), where], (hidden * inside).sum(1) / inside.sum(1)]
            wanted = vectors[rows].to(DEVICE)
            cosines = [F.cosine_similarity(head(vector), wanted, dim=-1).mean() for head, vector in zip(heads, pooled)]
            loss = (1 - cosines[0]) + (1 - cosines[1])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            agreement += 0.02 * (cosines[0].item() - agreement)
        box.tick()
        if step % 80 == 0:
            print(f"step {step} {box.minutes:.1f} min agreement {agreement:.3f}")
        if box.save_due() or box.done:
            save_checkpoint(CHECKPOINT, average=network.state_dict(), heads=heads.state_dict(), optimizer=optimizer.state_dict(), step=step, seconds=box.seconds)
    box.leave()


def load_text_encoder():
    """The trained text encoder, frozen."""
    network = make_text_encoder().to(DEVICE).eval().requires_grad_(False)
    network.load_state_dict(load_checkpoint(CHECKPOINT)["average"])
    return network


@torch.no_grad()
def embed(tokenizer, network, texts):
    """What the UNet attends to: the last hidden states of padded texts, in half precision."""
    ids = token_ids(tokenizer, texts).to(DEVICE)
    with fast():
        return torch.cat([network(input_ids=part).last_hidden_state for part in ids.split(64)]).half()


@torch.no_grad()
def measure():
    """Prints how near some words lie to others."""
    tokenizer, network = load_tokenizer(), load_text_encoder()
    heads = load_checkpoint(CHECKPOINT).get("heads")
    if heads is None:
        return print("published weights come without the heads that this would be measured with")
    pairs = [("kitten", "cat"), ("puppy", "dog"), ("ocean", "sea"), ("cat", "car"), ("a red apple", "apple"), ("cottage", "house"), ("tree", "pizza")]
    for pair in pairs:
        ids = token_ids(tokenizer, list(pair))
        hidden = network(input_ids=ids.to(DEVICE)).last_hidden_state.cpu()
        ends = (ids == tokenizer.eos_token_id).int().argmax(1)
        vectors = F.normalize(hidden[torch.arange(2), ends] @ heads["0.weight"].T + heads["0.bias"], dim=-1)
        print(pair, f"{float(vectors[0] @ vectors[1]):.2f}")


if __name__ == "__main__":
    if sys.argv[1:] != ["measure"]:
        claim_pid()
        train(TEXT_MINUTES)
    measure()
