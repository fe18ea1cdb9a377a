"""How worn a picture is, from its file and its pixels, and how much of the `worn` weights that calls for. No torch."""
