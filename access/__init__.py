"""Who is calling: keys and tokens, what they may do, and how much of it."""
