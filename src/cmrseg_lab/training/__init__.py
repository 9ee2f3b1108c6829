"""From labelled images to trained networks."""
