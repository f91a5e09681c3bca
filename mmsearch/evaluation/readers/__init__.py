"""Readers of evaluation data as the field has it on disk, one a file. `datasets.READERS` lists them."""
