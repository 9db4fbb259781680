"""otoloop: from the sounds of a working site to an audio language model that explains its answers."""

__version__ = "0.1.0"
