#!/bin/sh
# Makes the bundled model from nothing; run it again to go on where it stopped.
#
#   pip install -r requirements.txt
#   apt-get install plasma-workspace-wallpapers gnome-backgrounds mate-backgrounds lomiri-wallpapers-16.04 \
#       lomiri-wallpapers-20.04 ukui-wallpapers tuxpaint-stamps-default
#   ./train.sh
#
# To go on from the published weights instead of from nothing: `python3 begin_from_published.py` before it.
# Everything on the way lies in $IMPASTO_TRAIN_DIR (default ~/.cache/impasto-train), checkpoints included. The time
# boxes of the stages are environment variables, see settings.py; a stage whose box is used up is skipped. Longer
# boxes make a better model. CUDA is used when there is one. Afterwards `python3 card.py` makes the model card.
set -eu
cd "$(dirname "$0")"
IMPASTO_TRAIN_DIR="${IMPASTO_TRAIN_DIR:-$HOME/.cache/impasto-train}"
export IMPASTO_TRAIN_DIR
# Threads that wait should sleep, not spin: there is other work on the machine.
export OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" PYTHONUNBUFFERED=1
# Memory that is given back is asked for again at the next step, page by page: half of the time of a picture's encoding.
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864
PYTHON="${PYTHON:-python3}"

if [ -z "${IMPASTO_ICONS_DIR:-}" ]; then
    mkdir -p "$IMPASTO_TRAIN_DIR/icons"
    cp package.json "$IMPASTO_TRAIN_DIR/icons/"
    [ -d "$IMPASTO_TRAIN_DIR/icons/node_modules" ] || (cd "$IMPASTO_TRAIN_DIR/icons" && npm install --no-audit --no-fund)
fi

"$PYTHON" icons.py           # emoji drawings to pixels
"$PYTHON" data.py            # scenes and their rough sketches
"$PYTHON" autoencoder.py     # pixels to latents and back
"$PYTHON" text_encoder.py    # words to vectors
"$PYTHON" image_encoder.py   # the scorecard's eyes
"$PYTHON" latents.py         # scenes, sketches and captions as the UNet sees them
"$PYTHON" unet.py            # the painter itself
"$PYTHON" refine.py          # sharper one- and two-step pictures
"$PYTHON" decoder.py         # what few steps make, decoded sharply
"$PYTHON" export.py          # the diffusers folder
"$PYTHON" silent_blocks.py    # what the autoencoder does not need
"$PYTHON" export.py clip     # the scorecard's CLIPModel
"$PYTHON" card.py --only sheets   # 64 prompts and 32 sketches, painted
