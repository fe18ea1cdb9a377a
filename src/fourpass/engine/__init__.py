"""Networks on devices: weights become graphs, and a backend runs them. Knows no pictures, no files, no dial."""
