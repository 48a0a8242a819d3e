"""From an alert to a better model: decisions, gate, trainers, registries."""
