"""What the README promises, one file a promise."""
