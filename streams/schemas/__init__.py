"""JSON Schemas (2020-12) of wire format v1, a file for each kind of record."""
