"""What makes and studies the weights that cmrseg ships with."""
