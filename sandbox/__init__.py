"""Stand-ins that speak the real services' wire formats; imports no other room."""
