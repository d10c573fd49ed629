"""Vertebral landmarks on spine radiographs."""

__version__ = "0.1.0"
