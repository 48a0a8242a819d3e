"""The detectors: one file for each thing that may change."""
