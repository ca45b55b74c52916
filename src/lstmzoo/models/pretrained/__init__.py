"""Trained models as folders of safetensors and JSON: in this package, on any server, on the Hugging Face hub."""
