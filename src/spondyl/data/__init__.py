"""Where annotated films come from: one format a file, and phantoms."""
