"""Errors of PyTorch, NumPy and matplotlib that beginners meet, the special before the general."""

from typing import Final

from autograder.explain.rule import rule
from autograder.messages import N_

_SHAPES: Final = (
    rule(
        "matmul-shapes",
        r"shapes cannot be multiplied \((?P<a>[\dx]{1,40}) and (?P<b>[\dx]{1,40})\)",
        N_(
            "A matrix product needs as many columns on the left as rows on the right, but the "
            "shapes are {a} and {b}: print both shapes, then transpose or swap one of the two."
        ),
    ),
    rule(
        "matmul-shapes",
        r"size mismatch, got input|inconsistent tensor size, expected tensor|mat2 must be a matrix"
        r"|both arguments to matmul need to be|1D tensors expected"
        r"|mismatch in its core dimension|self must be a matrix|batch1|does not have enough dim",
        N_(
            "The shapes do not fit for this product: the last size on the left must be the first "
            "on the right, so print the `shape` of both."
        ),
        "RuntimeError",
        "ValueError",
    ),
    rule(
        "shape-mismatch",
        r"size of tensor a \((?P<a>\d+)\) must match the size of tensor b \((?P<b>\d+)\)",
        N_(
            "The two tensors have different shapes: one has size {a} where the other has {b}. "
            "Print the `shape` of both and find which one is not what you meant."
        ),
    ),
    rule(
        "shape-mismatch",
        r"could not be broadcast together with shapes (?P<a>\([\d, ]*\)) (?P<b>\([\d, ]*\))",
        N_(
            "The two arrays have different shapes, {a} and {b}: find which one is not what you "
            "meant."
        ),
    ),
    rule(
        "expand-shape",
        r"expanded size of the tensor|shape mismatch: value (?:tensor|array)",
        N_(
            "What is on the right does not fit into the shape on the left: print the `shape` of "
            "both."
        ),
    ),
    rule(
        "reshape-size",
        r"shape '(?P<shape>\[[-\d, ]*\])' is invalid for input of size (?P<size>\d+)",
        N_(
            "The tensor has {size} elements, and they do not fill the shape {shape}: the product "
            "of the sizes must be the number of elements."
        ),
    ),
    rule(
        "reshape-size",
        r"cannot reshape array of size (?P<size>\d+) into shape (?P<shape>\([-\d, ]*\))",
        N_(
            "The array has {size} elements, and they do not fill the shape {shape}: the product "
            "of the sizes must be the number of elements."
        ),
    ),
    rule(
        "view-stride",
        r"view size is not compatible",
        N_(
            "`view` cannot give this shape without copying the data, as after a transpose: use "
            "`reshape`."
        ),
    ),
    rule(
        "joined-shapes",
        r"Sizes of tensors must match except in dimension|stack expects each tensor to be equal"
        r"|all the input array dimensions except",
        N_(
            "The tensors that you join have different shapes: all sizes but the one along which "
            "they are joined must be equal."
        ),
    ),
    rule(
        "target-size",
        r"Target size \(torch\.Size\((?P<a>[^)]{1,40})\)\) must be the same as input size "
        r"\(torch\.Size\((?P<b>[^)]{1,40})\)\)",
        N_(
            "The loss compares the targets, of shape {a}, with the predictions, of shape {b}: "
            "both must have the same shape."
        ),
    ),
    rule(
        "plot-sizes",
        r"x and y must have same first dimension, but have shapes (?P<a>\([^)]{0,40}\)) and "
        r"(?P<b>\([^)]{0,40}\))",
        N_(
            "The line needs one `y` for each `x`, but their shapes are {a} and {b}: check what "
            "you pass to `plot`."
        ),
    ),
    rule(
        "out-of-bounds",
        r"index (?P<index>-?\d+) is out of bounds for (?:dimension|axis) (?P<dim>\d+) with size "
        r"(?P<size>\d+)",
        N_(
            "There is no position {index} in dimension {dim}, which has size {size}: positions "
            "count from 0, so the last one is the size minus 1."
        ),
    ),
    rule(
        "too-many-indices",
        r"too many indices for (?:tensor|array)",
        N_(
            "You give more positions in the square brackets than the tensor has dimensions: look "
            "at its `shape`."
        ),
    ),
    rule(
        "no-such-dimension",
        r"Dimension out of range \(expected to be in range of (?P<range>\[[-\d, ]*\]), but got "
        r"(?P<dim>-?\d+)\)|axis (?P<axis>-?\d+) is out of bounds",
        N_(
            "The tensor has no such dimension: they count from 0, so a matrix has dimensions 0 "
            "and 1. Look at its `shape`."
        ),
    ),
    rule(
        "class-out-of-bounds",
        r"Target (?P<target>-?\d+) is out of bounds",
        N_(
            "There is no class {target}: classes count from 0, and there are as many as the last "
            "size of the predictions."
        ),
    ),
    rule(
        "index-type",
        r"tensors used as indices must be|only integers, slices|arrays used as indices must be",
        N_(
            "Positions must be integers or booleans: convert the index, for example with `.long()`."
        ),
    ),
    rule(
        "negative-size",
        r"must be non-negative|negative dimension",
        N_("A size must not be negative: check the numbers of the shape that you ask for."),
        "RuntimeError",
        "ValueError",
    ),
)
_DTYPES: Final = (
    rule(
        "dtype-mismatch",
        r"expected m1 and m2 to have the same dtype, but got: (?P<a>[\w ]{1,20}) != "
        r"(?P<b>[\w ]{1,20})|same dtype|expected scalar type",
        N_(
            "The two tensors have different types of number (their `dtype`): print both, and "
            "convert one, for example with `.float()` or `.to(other.dtype)`."
        ),
        "RuntimeError",
    ),
    rule(
        "target-dtype",
        r"expected target dtype to be",
        N_("Classes must be given as integers: convert the targets with `.long()`."),
    ),
    rule(
        "integer-result",
        r"result type (?P<a>\w{1,20}) can't be cast to the desired output type (?P<b>\w{1,20})",
        N_(
            "The result is of type {a} and does not fit into a tensor of type {b}: make that "
            "tensor with decimals, for example with `dtype=torch.float32`."
        ),
    ),
    rule(
        "integer-mean",
        r"mean\(\): could not infer output dtype|(?:std|var)\w*[: ].{0,40}floating point",
        N_(
            "The mean of integers has decimals, and PyTorch does not convert by itself: call "
            "`.float()` before."
        ),
    ),
    rule(
        "integer-grad",
        r"[Oo]nly Tensors of floating point",
        N_(
            "Only tensors of decimal numbers can have a gradient: write `1.0` for `1`, or give "
            "`dtype=torch.float32`."
        ),
    ),
    rule(
        "integer-random",
        r"\"\w{1,60}\" not implemented for '(?P<dtype>\w{1,20})'",
        N_(
            "PyTorch cannot do this with numbers of type {dtype}: give a decimal type, for "
            "example `dtype=torch.float32`, or convert with `.float()`."
        ),
    ),
    rule(
        "integer-power",
        r"Integers to negative integer powers",
        N_("A negative power of integers has decimals: convert them with `.float()` before."),
    ),
    rule(
        "bool-subtraction",
        r"Subtraction, the `-` operator, with",
        N_(
            "Tensors of True and False cannot be subtracted: convert them with `.int()` or "
            "`.float()`, or use `~` to negate."
        ),
    ),
    rule(
        "several-values",
        r"Tensor with (?P<n>\d+) elements cannot be converted to Scalar|only one element tensors"
        r"|only (?:length-1|0-dimensional|single-element|integer tensors of a single)",
        N_(
            "Here one number is needed, and the tensor has several: reduce it, for example with "
            "`.sum()` or `.mean()`, or choose one with `[...]`."
        ),
    ),
    rule(
        "ambiguous-truth",
        r"Boolean value of Tensor with|truth value of an array with",
        N_(
            "A comparison of tensors gives one True or False for each element, and `if` needs a "
            "single one: use `.all()` or `.any()`."
        ),
    ),
    rule(
        "ragged-list",
        r"expected sequence of length (?P<a>\d+) at dim (?P<dim>\d+) \(got (?P<b>\d+)\)",
        N_(
            "The rows of the list have different lengths, {a} and {b}: all rows of a tensor must "
            "be equally long."
        ),
    ),
    rule(
        "ragged-list",
        r"inhomogeneous shape",
        N_(
            "The rows of the list have different lengths: all rows of an array must be "
            "equally long."
        ),
    ),
    rule(
        "text-in-tensor",
        r"invalid data type '|too many dimensions '|can't convert np\.ndarray of type"
        r"|could not infer dtype|Could not infer dtype",
        N_(
            "A tensor holds only numbers, and there is something else among the data, such as "
            "text or None: look at what you pass."
        ),
    ),
    rule(
        "from-numpy-type",
        r"expected np\.ndarray \(got (?P<kind>\w{1,40})\)",
        N_(
            "`torch.from_numpy` takes only NumPy arrays, and this is a {kind}: use "
            "`torch.tensor`, or make an array with `np.array` first."
        ),
    ),
)
_DEVICES: Final = (
    rule(
        "cuda-missing",
        r"not compiled with CUDA|Found no NVIDIA driver|No CUDA GPUs|CUDA unavailable"
        r"|torch\.cuda\.is_available\(\) is False",
        N_(
            "This machine has no GPU for PyTorch: ask `torch.cuda.is_available()` and use the CPU "
            "where it says False."
        ),
    ),
    rule(
        "device-to-numpy",
        r"can't convert (?P<device>[\w:]{1,20}) device type tensor to numpy",
        N_(
            "NumPy only sees the memory of the CPU, and the tensor is on {device}: call `.cpu()` "
            "before `.numpy()`."
        ),
    ),
    rule(
        "device-mismatch",
        r"found at least two devices|is not on the expected device|[Ee]xpected all tensors to be on"
        r"|but is on (?:cpu|cuda)|on the same device",
        N_(
            "The tensors are on different devices: print the `device` of each and move them all "
            "to the same one with `.to(device)`."
        ),
    ),
    rule(
        "unknown-device",
        r"device type at start of device string: (?P<device>.{0,40})|Invalid device string",
        N_('PyTorch knows no such device: write `"cpu"` or `"cuda"`.'),
    ),
)
_AUTOGRAD: Final = (
    rule(
        "backward-without-graph",
        r"element 0 of tensors does not require grad|does not have a grad_fn",
        N_(
            "There is nothing to differentiate: no tensor from which this was computed has "
            "`requires_grad=True`, or the graph was cut by `detach` or `no_grad`."
        ),
    ),
    rule(
        "backward-of-several",
        r"grad can be implicitly created only for scalar",
        N_(
            "`backward()` needs a single number, and this tensor has several: reduce it to one "
            "first, with `.sum()` or `.mean()`."
        ),
    ),
    rule(
        "backward-twice",
        r"backward through the graph a second time",
        N_(
            "This graph was already used by another `backward()`, which frees it: compute the "
            "result again before, and call `backward()` only once for each computation."
        ),
    ),
    rule(
        "numpy-of-grad",
        r"numpy\(\) on Tensor that requires grad",
        N_(
            "A tensor that requires grad cannot become a NumPy array, nor be plotted, as it is: "
            "separate it from the graph with `.detach()` first."
        ),
    ),
    rule(
        "numpy-of-grad",
        r"Concatenation operation is not implemented for NumPy arrays",
        N_(
            "A NumPy array and a tensor that requires grad cannot be mixed: convert the array with "
            "`torch.tensor`, or separate the tensor with `.detach()`."
        ),
    ),
    rule(
        "in-place-on-leaf",
        r"leaf Variable that requires grad is being used in an in-place",
        N_(
            "A tensor that you created with `requires_grad=True` cannot be changed in place (`+=`, "
            "`[...] =`, `add_`): make a new tensor, or update it inside `with torch.no_grad():`."
        ),
    ),
    rule(
        "in-place-in-graph",
        r"modified by an inplace operation",
        N_(
            "A value that the gradient needs was changed after it was used: replace `+=` and the "
            "functions that end in `_` by operations that make a new tensor."
        ),
    ),
    rule(
        "requires-grad-of-result",
        r"only change requires_grad flags of leaf",
        N_(
            "`requires_grad` can only be changed in tensors that you created, not in results of "
            "operations: use `.detach()` on the result."
        ),
    ),
    rule(
        "not-in-graph",
        r"appears to not have been used in the graph",
        N_(
            "The result does not depend on the tensor with respect to which you differentiate: "
            "check that it was computed from this very tensor, and not from a copy."
        ),
    ),
    rule(
        "not-in-graph",
        r"One of the differentiated Tensors does not require grad",
        N_(
            "You differentiate with respect to a tensor that does not require grad: create it "
            "with `requires_grad=True` before the computation."
        ),
    ),
    rule(
        "gradient-shape",
        r"Mismatch in shape: grad_output|assign a gradient of size|assigned grad has data",
        N_("A gradient always has the shape of its tensor: print the `shape` of both."),
    ),
    rule(
        "probability-range",
        r"all elements of input should be between 0 and 1",
        N_(
            "This loss takes probabilities between 0 and 1: apply the sigmoid before, or use the "
            "version with logits."
        ),
    ),
    rule(
        "singular-matrix",
        r"[Ss]ingular",
        N_("This matrix has no inverse: check how it is made."),
        "LinAlgError",
        "_LinAlgError",
    ),
)
_ARGUMENTS: Final = (
    rule(
        "not-a-size",
        r"^(?P<name>\w{1,40})\(\): argument 'size'",
        N_(
            "`{name}` takes its sizes as integers, such as `(3, 2)`: check the type of what you "
            "pass."
        ),
        "TypeError",
    ),
    rule(
        "not-a-tensor",
        r"^(?P<name>\w{1,40})\(\): argument .{0,80}must be Tensor, not (?P<kind>[\w.]{1,40})",
        N_("`{name}` takes a tensor here, and got a {kind}: convert it with `torch.tensor(...)`."),
        "TypeError",
    ),
    rule(
        "wrong-arguments",
        r"^(?P<name>[\w.]{1,60})\(\)(?: received an invalid combination of arguments|: argument "
        r"| missing \d+ required positional arguments: \")",
        N_(
            "`{name}` got arguments that it does not take: check their number, order and types in "
            "its documentation."
        ),
        "TypeError",
    ),
    rule(
        "attribute-called",
        r"'(?P<kind>torch\.Size|torch\.dtype|torch\.device)' object is not callable",
        N_(
            "`shape`, `dtype` and `device` are attributes, not functions: leave out the "
            "parentheses."
        ),
    ),
    rule(
        "tensor-called",
        r"'(?:Tensor|numpy\.ndarray)' object is not callable",
        N_(
            "A tensor is no function: for an element write square brackets, and for a product "
            "write `*` or `@`."
        ),
    ),
    rule(
        "numpy-method",
        r"'Tensor' object has no attribute '(?P<name>\w{1,40})'",
        N_(
            "Tensors have no `{name}`: check how it is written; NumPy's names are often others in "
            "PyTorch (for `astype`, it is `.to(...)`)."
        ),
    ),
    rule(
        "no-such-function",
        r"module '(?P<module>[\w.]{1,40})' has no attribute '(?P<name>\w{1,40})'",
        N_("`{module}` has no function or module `{name}`: check how it is written."),
    ),
    rule(
        "wrong-step",
        r"upper bound and lower bound inconsistent with step sign",
        N_(
            "With this step the end can never be reached: check its sign, and the order "
            "of the ends."
        ),
    ),
)
RULES: Final = (*_SHAPES, *_DEVICES, *_DTYPES, *_AUTOGRAD, *_ARGUMENTS)
