"""The services that Assay speaks, one module each: a conversation, no I/O."""
