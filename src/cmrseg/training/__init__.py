"""From a data set to a bundle: folds, cache, augmentation, fitting, packing."""
