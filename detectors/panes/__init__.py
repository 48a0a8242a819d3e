"""Counts of panes: what a batch adds to the vector of each (model, version, segment, pane), and how those travel and are packed."""
