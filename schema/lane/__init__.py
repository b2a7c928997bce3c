"""The fast lane: what an operation needs is compiled once, and run without the stock executor."""
