"""Scores of captions: BLEU, METEOR, ROUGE-L, CIDEr-D."""
