"""Intervals, laws and tails that several parts of the core need."""
