//! Networks read from diffusers folders.
