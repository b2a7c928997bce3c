"""The way out: one exchange, and everything that holds it."""
