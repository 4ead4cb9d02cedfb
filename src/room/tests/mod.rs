//! The room by simulation and by its tasks.

mod decisions;
mod generate;
mod going_back;
mod harness;
mod inverter;
mod kept;
mod patch_order;
mod people;
mod photos;
mod replay;
mod reverts;
mod schedule;
mod simulation;
mod strain;
mod tasks;
mod zoom;
