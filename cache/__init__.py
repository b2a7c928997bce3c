"""Outcomes remembered: one round trip for a whole set, claims for what is missing."""
