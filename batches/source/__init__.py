"""What reads records out of a file: lines, a table or objects, and what its columns mean."""
