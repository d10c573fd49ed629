"""How a network learns to find vertebrae: the only floor that imports torch."""
