"""The measures of DAVIS: J (region), F (outline), T (steadiness), and the official protocols to sum them up.

``evaluate(results, root)`` scores a folder of masks, `score_sequence` arrays; `jaccard` and `boundary_f` are the
measures themselves.
"""

from lstmzoo.segmentation.metrics.davis_rules import PROTOCOLS
from lstmzoo.segmentation.metrics.evaluation import evaluate
from lstmzoo.segmentation.metrics.measures import boundary_f, jaccard
from lstmzoo.segmentation.metrics.scores import DavisScores, SequenceScores, Statistics, statistics
from lstmzoo.segmentation.metrics.sequence_scores import score_sequence
from lstmzoo.segmentation.metrics.stability import temporal_stability

__all__ = [
    "PROTOCOLS",
    "DavisScores",
    "SequenceScores",
    "Statistics",
    "boundary_f",
    "evaluate",
    "jaccard",
    "score_sequence",
    "statistics",
    "temporal_stability",
]
