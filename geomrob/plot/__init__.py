"""Pictures of results: each draws where it is told, computes nothing, reads and writes no file."""
