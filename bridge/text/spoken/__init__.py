"""Turn written text into the words that are spoken."""
