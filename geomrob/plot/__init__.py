"""Pictures of results: each draws where the caller says, computes nothing, reads and writes no file."""
