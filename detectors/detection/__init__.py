"""One model from closed panes to verdicts, points and alerts."""
