"""Stand-ins that speak the real services' wire formats; imports nothing of ours."""
