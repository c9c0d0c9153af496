"""Recommendations: histories, models, ranked lists, and how well they do."""
