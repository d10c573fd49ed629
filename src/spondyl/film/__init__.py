"""What a film is: its pixels, its spacing, and how it is fitted to a network's input."""
