"""Quality control without ground truth: autoencoder, thresholds, verdict, selection, refinement."""
