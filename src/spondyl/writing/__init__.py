"""How results become files: tables, pages, and what other software reads."""
