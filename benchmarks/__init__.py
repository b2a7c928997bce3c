"""What Assay costs, measured beside yardsticks and peers: `make bench`, `make scoreboard`."""
