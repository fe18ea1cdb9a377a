"""The losses: one function a term, one file a family; pictures on 0..255, tensors in, scalars out."""
