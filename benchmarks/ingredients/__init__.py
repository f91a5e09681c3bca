"""What the benchmarks of the production encoders are made of: models, media, and the loop that others run."""
