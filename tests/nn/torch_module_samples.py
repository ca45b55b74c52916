"""PyTorch's own inputs for its recurrent modules, given to torch's and to ours; run by test_torch_conformance.py."""

from __future__ import annotations

import warnings

import pytest
import torch

import lstmzoo.nn as zoo


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_torchs_own_module_samples(name):
    """The inputs with which PyTorch's test suite exercises its recurrent modules, given to both."""
    common_modules = pytest.importorskip("torch.testing._internal.common_modules")
    ours_class, torch_class = getattr(zoo, name), getattr(torch.nn, name)
    info = next(i for i in common_modules.module_db if i.module_cls is torch_class)
    samples = 0
    for training in (True, False):
        for sample in info.module_inputs_func(info, "cpu", torch.float64, requires_grad=False, training=training):
            arguments, options = sample.constructor_input.args, sample.constructor_input.kwargs
            results = []
            for cls in (torch_class, ours_class):
                torch.manual_seed(0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # dropout of a single layer
                    module = cls(*arguments, **options).double().train(training)
                torch.manual_seed(1)
                inputs = sample.forward_input
                results.append(module(*inputs.args, **inputs.kwargs))
            torch.testing.assert_close(results[1], results[0], rtol=1e-10, atol=1e-10)
            samples += 1
    assert samples >= 4
