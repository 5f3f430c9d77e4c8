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
    _VALUES: (
        "constant-values data-changed example-only filled hard-coded-shape multiplied "
        "new-random not-random other-loss out-of-range reordered repeated-random scaled "
        "shifted uneven-points values-changed wrong-range wrong-values"
    ),
    _SHAPE: (
        "cat-for-stack concatenated last-only missing-last missing-start "
        "number-for-shape numbers-stacked one-number-only one-sample-only partial-view "
        "reduced transposed wrong-shape"
    ),
    _DTYPE: (
        "as-tensor capital-letter dtype-mixed integer-random precision-lost rounded "
        "truncated wrong-dtype"
    ),
    _TYPE: (
        "attribute-called class-for-attribute grad-fn-address grad-fn-object "
        "missing-key name-of-type number-for-tensor still-tensor wrong-attribute "
        "wrong-type"
    ),
    _NUMPY: "not-detached numpy-converted numpy-copied values-copied",
    _DEVICE: (
        "cuda-unavailable device-type-assumed devices-mixed left-on-cpu left-on-cuda "
        "returns-condition "
        "unknown-device wrong-device"
    ),
    _GRAPH: (
        "autograd-used detached-early grad-fn-of-leaf no-backward no-grad no-gradient "
        "no-graph non-leaf requires-grad-late requires-grad-missing"
    ),
    _ACCUMULATED: (
        "accumulated-grads added-twice backward-twice grad-not-zeroed not-accumulated "
        "zero-gradient zeroed-grad"
    ),
    _DERIVED: (
        "approximate-derivative approximate-slope derivative-of-wrong-function "
        "extra-derivative function-for-derivative gradient-of-wrong-variable "
        "name-of-operation other-grad-fn points-for-derivative second-derivative "
        "sign-for-slope sum-of-wrong-variable values-of-function wrong-function"
    ),
    _FORMULA: (
        "absolute-value activation-added bias-forgotten bias-multiplied bias-reduced "
        "bias-too-early bias-twice element-wise extra-operation extra-term "
        "learning-rate-forgotten missing-sigmoid other-activation prediction-forgotten "
        "product-forgotten product-of-sums scaled-grad sigmoid-too-early sigmoid-twice "
        "target-forgotten term-forgotten unstable-formula wrong-constant wrong-factor "
        "wrong-operation wrong-operator wrong-weights"
    ),
    _MEAN: (
        "mean-for-sum mean-over-outputs mean-over-samples sum-for-mean sum-missing wrong-reduction"
    ),
    _SIGN: "sign-lost target-added wrong-logits-sign wrong-sign",
    _ARGUMENTS: (
        "aliased aliased-iterates grad-changed in-place operand-returned requires-grad-changed"
    ),
    _RETURNED: (
        "argument-ignored not-called parameters-returned returns-nothing reversed "
        "swapped swapped-arguments tuple-returned wrong-order"
    ),
    _FIGURE: (
        "drawn-on-example line-missing missing-grid missing-label missing-legend "
        "missing-x missing-xlabel missing-y no-derivative-line no-function-line "
        "no-lines same-label separate-figures swapped-axes swapped-labels"
    ),
    _STEPS: (
        "always-from-start extra-step learning-rate-changed learning-rate-typed "
        "never-moves other-optimizer position-forgotten slope-forgotten "
        "slope-not-updated start-twice"
    ),
    _RAISES: (
        "endless-recursion exception exception-batch exception-on-some "
        "exception-one-sample fails-with-grad undefined-name unknown-attribute "
        "unknown-method unknown-name wrong-arguments wrong-signature"
    ),
    N_("a time limit"): "timeout",
    N_("the process ended"): "process-ended",
    N_("numbers typed by hand"): "typed-values",
}
_PHRASE_OF: Final = {slug: phrase for phrase, slugs in _PHRASES.items() for slug in slugs.split()}


def mistake(diagnosis: str) -> str:
    """What kind of mistake a diagnosis is, in the current language; empty if it is not known."""
    phrase = _PHRASE_OF.get(diagnosis)
    return "" if phrase is None else translate(phrase)
