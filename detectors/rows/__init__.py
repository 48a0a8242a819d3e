"""Rows that are known: found again by their ids, kept while they wait for labels, joined."""
