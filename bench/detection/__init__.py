"""How soon a change is told, and how often one that is none: our monitors beside those of others, on the same streams."""
