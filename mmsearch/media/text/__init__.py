"""Texts: any file that has one to parts with their pages and times, and those to passages."""
