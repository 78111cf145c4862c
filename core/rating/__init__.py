"""Ratings of words: tables of one's own."""
