"""From what was recognised to values: yes or no, digits, dates, names, addresses, choices; or "not understood"."""
