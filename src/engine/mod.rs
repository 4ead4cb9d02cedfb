//! Device threads: admission, step-level batches, cancel, latent residency.
