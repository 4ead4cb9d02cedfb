"""The shapes of the model's parts, as diffusers and transformers classes."""

from diffusers import AutoencoderTiny, LCMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

LATENT_CHANNELS = 32
VOCABULARY = 8192
TOKENS = 32
TEXT_WIDTH = 256


def make_autoencoder():
    """Pixels to latents and back: 32 latent channels at a sixteenth of the size.

    As many numbers as 8 channels at an eighth, in a quarter of the places: the UNet costs a quarter, to train and to use.
    """
    return AutoencoderTiny(
        in_channels=3,
        out_channels=3,
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(32,) * 5,
        decoder_block_out_channels=(32,) * 5,
        num_encoder_blocks=(1, 2, 2, 2, 2),
        num_decoder_blocks=(2, 2, 2, 2, 1),
        scaling_factor=1.0,
    )


def make_text_encoder():
    """Words to vectors: a small CLIP text tower."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=TEXT_WIDTH,
            intermediate_size=1024,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            hidden_act="quick_gelu",
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
            pad_token_id=VOCABULARY - 1,
        )
    )


def make_unet():
    """Noise latents beside sketch latents in, v out."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=2 * LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(96, 160, 256),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        # The words also reach every block with the timestep, pooled, and scale and shift what is seen there. With that
        # the network heeds them sooner than one that has only attention.
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
        # Large groups keep how channels compare within them, so that the sketch's own colours come through.
        norm_num_groups=4,
    )


def make_scheduler():
    """Four steps at 999, 759, 499 and 259; other schedulers start at 999 too, from pure noise as in training."""
    return LCMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        set_alpha_to_one=True,
        steps_offset=1,
        timestep_spacing="trailing",
        clip_sample=False,
    )
