//! 3×3 convolutions with a quarter of the products: Winograd's minimal filtering F(4×4, 3×3).
//!
//! A task walks down its rows of the image. It copies a band of them with channels last
//! ([`stage`]), so that a vector holds channels of one pixel and no step needs to shuffle;
//! transforms some tiles ([`transform`]); multiplies them with the transformed weights
//! ([`super::product`], [`weights`]), while both lie in the second-level cache; transforms the products
//! back and writes them as planes ([`store`]). In a network that stays in that layout
//! ([`super::chain`]) nothing is copied on either side.

mod run;
mod stage;
mod store;
#[cfg(test)]
mod tests;
mod transform;
mod weights;

pub(super) use run::{Sink, Source, run};
pub(super) use weights::Transformed;
