"""The measures of DAVIS: J (region), F (outline), T (steadiness), and the official protocols to sum them up.

``evaluate(results, root)`` scores a folder of masks, `score_sequence` arrays; `jaccard` and `boundary_f` are the
measures themselves.
"""

from lstmzoo.metrics.davis.evaluation import evaluate
from lstmzoo.metrics.davis.measures import boundary_f, jaccard
from lstmzoo.metrics.davis.rules import PROTOCOLS
from lstmzoo.metrics.davis.scores import DavisScores, SequenceScores
from lstmzoo.metrics.davis.sequence import score_sequence
from lstmzoo.metrics.davis.stability import temporal_stability
from lstmzoo.metrics.davis.statistics import Statistics, statistics

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
