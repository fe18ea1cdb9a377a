"""Run networks on devices: build graphs from weights and run them with a backend. Independent of files and pictures."""
