"""Decoders: one file a format, each giving the same columns."""
