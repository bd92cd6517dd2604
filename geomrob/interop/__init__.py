"""Other libraries' attacks, beside ours: asked in one form, their evaluations counted, their results re-verified."""
