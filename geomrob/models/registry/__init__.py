"""The rows of `MODELS`: embedded and zoo with weights, published without."""
