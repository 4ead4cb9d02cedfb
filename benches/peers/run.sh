#!/bin/sh
# Measures the stages of a window beside what runs the same networks elsewhere, in alternating runs.
#
#   benches/peers/run.sh [--instructions avx2] [--model FOLDER --window PIXELS] [--rounds N] [--json FILE]
#
# Needs a quiet machine, Python 3.10 or newer and a C++ compiler (for torch.compile). Installs the peers into
# target/peers. `python benches/full_size.py sd15 FOLDER`, with the same Python, makes a model of full size.
set -eu
cd "$(dirname "$0")/../.."
python="target/peers/bin/python"
if [ ! -x "$python" ]; then
    python3 -m venv target/peers
    "$python" -m pip install --quiet --requirement benches/peers/requirements.txt
fi
cargo build --release --quiet
exec "$python" benches/peers/compare.py "$@"
