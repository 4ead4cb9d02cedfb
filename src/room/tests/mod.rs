//! The room by simulation and by its tasks.

mod decisions;
mod harness;
mod photos;
mod reverts;
mod simulation;
mod tasks;
