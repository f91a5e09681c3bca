"""Pictures: any file that people have to the square of RGB that an encoder wants."""
