"""Pictures of accuracy under attack."""
