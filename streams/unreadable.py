"""What msgspec raises for bytes that are no record: bad input, which is left out and told of, and stops nobody."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Beside its own errors, those for bytes that are not UTF-8 and for brackets nested a thousand deep."""
