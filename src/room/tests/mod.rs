//! The room by simulation and by its tasks.

mod decisions;
mod harness;
mod inverter;
mod photos;
mod reverts;
mod simulation;
mod tasks;
mod tile_order;
mod zoom;
