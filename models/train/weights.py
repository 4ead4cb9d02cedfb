"""Which checkpoint each part of the model is taken from."""

from settings import WORK, load_checkpoint

#: Where each part's weights are, the last stage's first.
CHECKPOINTS = {"vae": ["decoder.pt", "autoencoder.pt"], "text_encoder": ["text_encoder.pt"], "unet": ["refined.pt", "unet.pt"]}


def newest_weights(part):
    """The averaged weights of a part's last stage that has any, or None."""
    for name in CHECKPOINTS[part]:
        state = load_checkpoint(WORK / name)
        if state is not None:
            return state["average"]
    return None
