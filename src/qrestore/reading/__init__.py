"""What a user runs: a picture in, what it says out."""
