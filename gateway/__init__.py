"""The app: settings, composition root, command line."""
