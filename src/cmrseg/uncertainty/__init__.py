"""Monte-Carlo dropout: sampling, variance, image-level uncertainty."""
