"""Other libraries' attacks called in the form of ours, counted and re-verified; ours as attacks of foolbox."""
