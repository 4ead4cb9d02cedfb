//! Samplers as plain arithmetic: timetables of affine steps, and seeded noise.
