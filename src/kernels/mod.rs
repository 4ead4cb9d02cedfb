//! The operations that networks are made of, fast on the CPU.
