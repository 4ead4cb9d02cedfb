//! What one edit is: window, encode, noise, steps, blend, decode.
