"""The local geometry of the decision boundary: curvature, angles, distances along directions, cross-sections."""
