"""What a user could put in front of the same service instead."""
