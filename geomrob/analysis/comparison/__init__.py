"""Models compared on the same images: what results have of each image, the statistics of pairs, the comparison."""
