"""Sounds: any file that has one to windows of mono samples."""
