"""Data augmentation whose draws belong to an image: PRIME, AugMix, policies."""
