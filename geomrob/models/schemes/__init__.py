"""Models by name from elsewhere: one file a scheme, and the table `SCHEMES` of them."""
