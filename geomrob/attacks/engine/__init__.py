"""What attacks share: the batched search, linearization, bisection to the boundary, starting points, projections."""
