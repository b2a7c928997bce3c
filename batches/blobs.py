"""Blobs: what was given and found of a chunk, packed small and, if a key is configured, sealed."""
