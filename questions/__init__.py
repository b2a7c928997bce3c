"""The one way a question takes, for requests and batches alike."""
