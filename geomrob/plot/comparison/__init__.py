"""Pictures of models compared with statistics."""
