"""Side-by-side measurements against peers; they write tables and assert nothing about absolute time."""
