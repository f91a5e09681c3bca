"""Media: files and bytes to decoded segments."""
