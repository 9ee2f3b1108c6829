"""Issue 6: what each group of augmentation brings where images shift, one network a group."""
