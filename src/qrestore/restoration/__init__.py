"""Undoing blur. Takes arrays and never a reader: what knows symbols calls in with templates and decoders."""
