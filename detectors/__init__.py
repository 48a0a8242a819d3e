"""Pure core: bins, summaries, detectors, the label join. No I/O, no clock."""
