"""Images and labels in arrays: in memory, and in files of arrays."""
