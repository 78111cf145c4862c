"""Asking models for ratings: what is asked, of whom, and what came back."""
