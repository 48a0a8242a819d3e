"""The lives of alerts, their causes, and their explanations that anybody can recompute."""
