"""Batches: durable sets of records, worked on until each has its verdict."""
