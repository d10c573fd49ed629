"""Which version of spondyl is this?"""

__version__ = "0.1.0"
