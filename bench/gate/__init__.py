"""The bench of the promotion gate: how often it errs, and how soon it sees what is better, by simulation."""
