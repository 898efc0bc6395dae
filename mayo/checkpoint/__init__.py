"""Checkpoints: bundles on disk, the names in them, where they live, and the warm start of gates."""
