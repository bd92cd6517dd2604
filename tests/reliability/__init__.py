"""Bad calls of every command, and damaged files for every reader: each ends in one sentence or in the right content."""
