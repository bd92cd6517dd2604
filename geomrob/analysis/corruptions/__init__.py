"""What common corruptions cost a model: errors, scores, adaptation, retrieval."""
