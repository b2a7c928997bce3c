"""The web page and its built assets."""
