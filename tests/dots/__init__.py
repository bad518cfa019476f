"""Printed dots: the message hidden in them, where they stand, how they are read."""
