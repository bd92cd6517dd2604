"""What attacks share: the batched search, linearisation, bisection to the boundary, starting points, projections."""
