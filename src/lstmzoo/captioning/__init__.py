"""Image captioning: an image in, sentences out."""
