"""Run folders: training into them, going on from them, measuring what came out of them."""
