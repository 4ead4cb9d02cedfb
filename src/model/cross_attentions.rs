//! The order of a UNet's cross-attentions: the way down, the way up, then the bottom, as in
//! diffusers' `attn_processors`, by which IP-Adapters number their layers.

use super::{MidBlockType, UNetConfig};

/// How many there are before the block at `level` of the way down, 0 for the largest image; before
/// the way up where there is no such block.
pub(super) fn before_down(config: &UNetConfig, level: usize) -> usize {
    (0..level).map(|level| in_down(config, level)).sum()
}

/// How many there are before the block `number` steps up from the bottom; before the bottom itself,
/// the last in this order, where there is no such block.
pub(super) fn before_up(config: &UNetConfig, number: usize) -> usize {
    let levels = config.block_out_channels.len();
    let up: usize = (0..number).map(|number| in_up(config, number)).sum();
    before_down(config, levels) + up
}

/// Width of the attention and of the tokens that it looks at, of each in this order.
pub(super) fn widths(config: &UNetConfig) -> Vec<[usize; 2]> {
    let levels = config.block_out_channels.len();
    let lowest = levels.saturating_sub(1);
    let at = |level: usize, count: usize| {
        let heads = config.num_attention_heads[level];
        let inner = config.block_out_channels[level] / heads * heads;
        std::iter::repeat_n([inner, config.cross_attention_dim[level]], count)
    };
    let down = (0..levels).flat_map(|level| at(level, in_down(config, level)));
    let up = (0..levels).flat_map(|number| at(lowest - number, in_up(config, number)));
    let bottom = match config.mid_block {
        MidBlockType::CrossAttention => config.mid_transformer_layers,
        MidBlockType::Plain | MidBlockType::Absent => 0,
    };
    down.chain(up).chain(at(lowest, bottom)).collect()
}

fn in_down(config: &UNetConfig, level: usize) -> usize {
    match config.down_attention[level] {
        true => config.down_transformer_layers[level].iter().sum(),
        false => 0,
    }
}

fn in_up(config: &UNetConfig, number: usize) -> usize {
    match config.up_attention[number] {
        true => config.up_transformer_layers[number].iter().sum(),
        false => 0,
    }
}
