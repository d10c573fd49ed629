"""What is wrong with the labels of a folder, and what can be put right."""
