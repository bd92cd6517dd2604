"""Fourier spectra of images, perturbations and filters, band energies and Fourier heat maps."""
