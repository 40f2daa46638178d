"""What every part of Inkwell is made of: it has no word of any resource in it."""

__version__ = "1.1.0"
