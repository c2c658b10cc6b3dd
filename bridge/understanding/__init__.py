"""Turn what was recognised into values: yes or no, digits, dates, names, addresses, choices; or "not understood"."""
