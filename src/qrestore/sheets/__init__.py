"""Sheets of labels: laid out, printed to a file, found again in scans and photographs, paired with their truth."""
