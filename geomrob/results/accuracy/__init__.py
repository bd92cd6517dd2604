"""Results about accuracy under attack."""
