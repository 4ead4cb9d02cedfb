//! Impasto: a real-time diffusion painting server.
//!
//! Each module is a floor of the house and imports only from floors below it;
//! `ARCHITECTURE.md` has the picture.

pub mod canvas;
pub mod cli;
pub mod engine;
pub mod hub;
pub mod journal;
pub mod kernels;
pub mod model;
pub mod picture_file;
pub mod pipeline;
pub mod protocol;
pub mod python_json;
pub mod room;
pub mod sampler;
pub mod server;
