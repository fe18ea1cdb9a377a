"""Quality metrics: plain functions of arrays, float64 inside, each stating its protocol."""
