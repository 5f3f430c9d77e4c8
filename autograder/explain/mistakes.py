"""The kinds of mistakes that graders name, as a student reads them.

The table knows the slugs that graders of courses on tensors have in common; one that it does not
know has no phrase.
"""

from typing import Final

from autograder.messages import N_, translate

_VALUES: Final = N_("other values than asked")
_SHAPE: Final = N_("the shape")
_DTYPE: Final = N_("the type of the numbers (dtype)")
_TYPE: Final = N_("the type of object")
_NUMPY: Final = N_("the way between NumPy and PyTorch")
_DEVICE: Final = N_("the device (CPU or GPU)")
_GRAPH: Final = N_("what the computation graph remembers")
_ACCUMULATED: Final = N_("gradients that accumulate")
_DERIVED: Final = N_("what is differentiated, and with respect to what")
_FORMULA: Final = N_("a step of the formula")
_MEAN: Final = N_("sum and mean")
_SIGN: Final = N_("a sign")
_ARGUMENTS: Final = N_("arguments that are changed")
_RETURNED: Final = N_("what the function returns")
_FIGURE: Final = N_("a part of the figure")
_STEPS: Final = N_("the steps of the descent")
_RAISES: Final = N_("the function raises an error")

_PHRASES: Final = {
    _VALUES: "wrong-values out-of-range wrong-range data-changed values-changed other-loss "
    "uneven-points not-random repeated-random new-random hard-coded-shape",
    _SHAPE: "wrong-shape transposed reduced concatenated missing-last missing-start last-only "
    "partial-view",
    _DTYPE: "wrong-dtype dtype-mixed integer-random capital-letter as-tensor",
    _TYPE: "wrong-type still-tensor grad-fn-object grad-fn-address missing-key name-of-type",
    _NUMPY: "numpy-copied numpy-converted values-copied not-detached",
    _DEVICE: "wrong-device left-on-cpu unknown-device cuda-unavailable returns-condition",
    _GRAPH: "requires-grad-missing requires-grad-late detached-early non-leaf no-backward "
    "no-grad autograd-used grad-fn-of-leaf",
    _ACCUMULATED: "backward-twice accumulated-grads grad-not-zeroed zeroed-grad zero-gradient "
    "not-accumulated added-twice",
    _DERIVED: "approximate-derivative approximate-slope values-of-function "
    "gradient-of-wrong-variable derivative-of-wrong-function function-for-derivative "
    "wrong-function sign-for-slope sum-of-wrong-variable extra-derivative "
    "other-grad-fn name-of-operation",
    _FORMULA: "bias-forgotten missing-sigmoid sigmoid-twice sigmoid-too-early target-forgotten "
    "learning-rate-forgotten extra-term term-forgotten product-forgotten "
    "prediction-forgotten other-activation wrong-constant wrong-factor "
    "wrong-operation scaled-grad unstable-formula",
    _MEAN: "sum-for-mean mean-for-sum mean-over-outputs mean-over-samples wrong-reduction",
    _SIGN: "wrong-sign wrong-logits-sign sign-lost target-added",
    _ARGUMENTS: "in-place grad-changed requires-grad-changed operand-returned aliased "
    "aliased-iterates",
    _RETURNED: "argument-ignored parameters-returned reversed returns-nothing tuple-returned "
    "not-called swapped swapped-arguments wrong-order",
    _FIGURE: "missing-x missing-y drawn-on-example swapped-axes missing-grid missing-label "
    "missing-legend missing-xlabel same-label separate-figures line-missing no-lines "
    "no-derivative-line no-function-line",
    _STEPS: "extra-step never-moves slope-not-updated",
    _RAISES: "exception exception-batch exception-one-sample undefined-name wrong-arguments "
    "exception-on-some fails-with-grad",
    N_("a time limit"): "timeout",
    N_("the process ended"): "process-ended",
    N_("numbers typed by hand"): "typed-values",
}
_PHRASE_OF: Final = {slug: phrase for phrase, slugs in _PHRASES.items() for slug in slugs.split()}


def mistake(diagnosis: str) -> str:
    """What kind of mistake a diagnosis is, in the current language; empty if it is not known."""
    phrase = _PHRASE_OF.get(diagnosis)
    return "" if phrase is None else translate(phrase)
