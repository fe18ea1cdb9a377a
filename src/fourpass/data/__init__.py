"""Folders of pictures as data sets, or an error that shows the tree that was expected."""
