"""The pieces that every part of Inkwell is made of, without a word of any resource."""

__version__ = "1.3.0"
