"""Other stream processors at the work of the row `single`: a program each, run in an environment of its own from the requirements beside it."""
