"""What callers say in each language: words of numbers, letters, dates, agreement and corrections. Data."""
