"""Figures and the one self-contained page that a reviewer reads."""
