"""Ours beside torch and OpenVINO, stage by stage, in alternating runs: see run.sh.

Every run is a process of its own, one after another: ours, then each peer, as many times as there are turns. What is
printed is the median over the turns, in milliseconds, and ours divided by the best peer. With `--instructions avx2`
all of them are held to AVX2.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ["torch-f32", "torch-bf16", "torch-compile", "openvino-f32", "openvino-bf16"]
STAGES = ["encode", "UNet step", "decode"]
#: What holds oneDNN (which OpenVINO has inside, too), PyTorch and MKL to AVX2.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def ours(asked, environment):
    command = [
        ROOT / "target/release/impasto", "bench", "profile", "--model", asked.model, "--window", str(asked.window),
        "--rounds", str(asked.rounds), "--guidance-scale", "1", "--json",
    ]
    told = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    return {stage["stage"]: stage["ms"] for stage in told["stages"] if stage["stage"] in STAGES}


def peer(runtime, asked, environment):
    command = [
        sys.executable, HERE / "stages.py", runtime, "--model", asked.model, "--window", str(asked.window),
        "--rounds", str(asked.rounds), "--rows", "1",
    ]
    told = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    if asked.instructions == "avx2" and any("avx512" in kind for kind in told["primitives"]):
        print(f"{runtime} used AVX-512 all the same: {', '.join(told['primitives'])}", file=sys.stderr)
    return told["stages"]


def window(stages):
    """A window of two steps: encoded once, decoded once."""
    return stages["encode"] + 2 * stages["UNet step"] + stages["decode"]


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "models/storybook"))
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=30, help="in each turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--instructions", choices=["avx512", "avx2"])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()

    environment = dict(os.environ)
    if asked.instructions:
        environment["IMPASTO_INSTRUCTIONS"] = asked.instructions
    if asked.instructions == "avx2":
        environment |= AVX2
    runs = {name: [] for name in ["impasto", *asked.peers]}
    for turn in range(asked.turns):
        for name, kept in runs.items():
            print(f"turn {turn + 1} of {asked.turns}: {name}", file=sys.stderr)
            stages = ours(asked, environment) if name == "impasto" else peer(name, asked, environment)
            kept.append(stages | {"window of 2 steps": window(stages)})

    medians = {
        name: {stage: statistics.median(run[stage] for run in kept) for stage in [*STAGES, "window of 2 steps"]}
        for name, kept in runs.items()
    }
    told = {
        "machine": processor(), "cores": os.cpu_count(), "instructions": asked.instructions or "the widest of each", "model": Path(asked.model).name,
        "window": asked.window, "turns": asked.turns, "rounds": asked.rounds, "ms": medians,
    }
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    print(f"{told['machine']}, {told['cores']} cores, {told['instructions']}; {told['model']}, {asked.window}², medians of {asked.turns} turns, ms\n")
    print("| | " + " | ".join(runs) + " | ours ÷ best |")
    print("|---" * (len(runs) + 2) + "|")
    for stage in [*STAGES, "window of 2 steps"]:
        row = [medians[name][stage] for name in runs]
        print(f"| {stage} | " + " | ".join(f"{ms:.1f}" for ms in row) + f" | {row[0] / min(row[1:]):.2f} |")


if __name__ == "__main__":
    main()
