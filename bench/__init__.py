"""The bench: what Driftwarden costs, measured on a real Kafka and checked while it is measured. `python -m bench --list` names its rows."""
