"""Errors of Python itself that beginners meet, the special before the general."""

from typing import Final

from autograder.explain.rule import rule
from autograder.messages import N_

_SYNTAX: Final = (
    rule(
        "block-not-indented",
        r"expected an indented block",
        N_(
            "After a line that ends in `:` the next ones must be indented: put four spaces before "
            "them."
        ),
        "IndentationError",
    ),
    rule(
        "indentation",
        r"",
        N_(
            "The spaces at the beginning of this line do not fit those of the lines around it: "
            "align the lines of a block, with four spaces for each level and no tabs."
        ),
        "IndentationError",
        "TabError",
    ),
    rule(
        "bracket-not-closed",
        r"was never closed|incomplete input|unexpected EOF",
        N_(
            "Something that was opened is not closed: count the parentheses, square brackets and "
            "quotes of this line and of those before it."
        ),
        "SyntaxError",
        "_IncompleteInputError",
    ),
    rule(
        "bracket-not-opened",
        r"unmatched '|does not match opening",
        N_("A bracket here closes none that was opened: compare each one with its pair."),
        "SyntaxError",
    ),
    rule(
        "quote-not-closed",
        r"unterminated .{0,20}string",
        N_("A text begins with a quote and has no other at its end: close it on the same line."),
        "SyntaxError",
    ),
    rule(
        "colon-missing",
        r"expected ':'",
        N_("A colon is missing: lines with `if`, `for`, `while`, `def` or `with` end in `:`."),
        "SyntaxError",
    ),
    rule(
        "comma-missing",
        r"forgot a comma",
        N_("Something is missing between two values here: mostly a comma, or an operator."),
        "SyntaxError",
    ),
    rule(
        "one-equals-sign",
        r"Maybe you meant '=='|cannot assign to",
        N_(
            "`=` gives a value to the name on its left, which must be a name; to compare two "
            "values write `==`."
        ),
        "SyntaxError",
    ),
    rule(
        "print-without-parentheses",
        r"Missing parentheses in call",
        N_("Functions are called with parentheses: write `print(...)`."),
        "SyntaxError",
    ),
    rule(
        "curly-quotes",
        r"invalid (?:non-printable )?character",
        N_(
            "There is a character that is not of Python, often curly quotes copied from a "
            "document: type it anew on the keyboard."
        ),
        "SyntaxError",
    ),
    rule(
        "outside-function",
        r"outside (?:function|loop)|not properly in loop",
        N_(
            "`return` is only for the inside of a function, and `break` for that of a loop: check "
            "the indentation of this line."
        ),
        "SyntaxError",
    ),
    rule(
        "name-begins-with-digit",
        r"invalid decimal literal",
        N_(
            "A name cannot begin with a digit, and a product needs its `*`: write `5 * x`, not "
            "`5x`."
        ),
        "SyntaxError",
    ),
    rule(
        "syntax",
        r"",
        N_(
            "Python cannot read this line: look in it, and at the end of the one before, for a "
            "missing or extra sign."
        ),
        "SyntaxError",
    ),
)
_NONE: Final = (
    rule(
        "none-value",
        r"NoneType",
        N_(
            "Something here is None, that is, empty: look for a function without `return`, or a "
            "value that was never filled in."
        ),
        "AttributeError",
        "TypeError",
    ),
)
_TYPES: Final = (
    rule(
        "missing-argument",
        r"^(?P<name>[\w.<>]{1,60})\(\) missing (?P<n>\d+) required",
        N_("`{name}` is called with too few arguments: look at its `def` line for those it takes."),
        "TypeError",
    ),
    rule(
        "too-many-arguments",
        r"^(?P<name>[\w.<>]{1,60})\(\) takes ",
        N_(
            "`{name}` is called with too many arguments: look at its `def` line for those it takes."
        ),
        "TypeError",
    ),
    rule(
        "unknown-argument",
        r"got an unexpected keyword argument '(?P<name>\w{1,40})'",
        N_("There is no argument `{name}` here: check how it is written."),
        "TypeError",
        "AttributeError",
    ),
    rule(
        "different-types",
        r"unsupported operand type\(s\) for (?P<sign>\S{1,8})(?: or \w+\(\))?: '(?P<a>[\w.]{1,40})'"
        r" and '(?P<b>[\w.]{1,40})'",
        N_(
            "`{sign}` does not work between {a} and {b}: check the type of both sides with "
            "`type(...)`, and convert one."
        ),
        "TypeError",
    ),
    rule(
        "text-and-number",
        r"can only concatenate",
        N_(
            "Text can only be joined to text, and a list to a list: convert the other with "
            "`str(...)`, or use an f-string."
        ),
        "TypeError",
    ),
    rule(
        "list-times-decimal",
        r"can't multiply sequence",
        N_("A list is not multiplied like a tensor: convert it with `torch.tensor(...)` first."),
        "TypeError",
    ),
    rule(
        "not-callable",
        r"'(?P<kind>[\w.]{1,40})' object is not callable",
        N_(
            "The parentheses call something that is no function but of type {kind}: a sign such as "
            "`*` may be missing, or you gave the name of a function to a value."
        ),
        "TypeError",
    ),
    rule(
        "not-subscriptable",
        r"'(?P<kind>[\w.]{1,40})' object is not subscriptable",
        N_(
            "Square brackets do not work with {kind}: check with `type(...)` what you have, and "
            "call functions with parentheses."
        ),
        "TypeError",
    ),
    rule(
        "not-an-integer",
        r"cannot be interpreted as an integer|indices must be integers",
        N_("An integer is needed here: use `//` for the division, or convert with `int(...)`."),
        "TypeError",
    ),
    rule(
        "no-length",
        r"has no len\(\)|object is not iterable|cannot unpack non-iterable",
        N_(
            "Here a list, tuple or tensor is needed, and there is a single value: check it with "
            "`type(...)`."
        ),
        "TypeError",
    ),
    rule(
        "unhashable",
        r"unhashable type",
        N_("A list cannot be a key of a dictionary nor an element of a set: use a tuple."),
        "TypeError",
    ),
    rule(
        "other-type",
        r"",
        N_(
            "Something here is of a type that does not fit this operation: check each part with "
            "`type(...)`."
        ),
        "TypeError",
    ),
)
_VALUES: Final = (
    rule(
        "unpack",
        r"(?:not enough|too many) values to unpack",
        N_(
            "There are not as many names on the left of `=` as values on the right: count both, "
            "and look at what is returned."
        ),
        "ValueError",
    ),
    rule(
        "text-to-number",
        r"could not convert string to float|invalid literal for int",
        N_("This text is no number that Python can read: check it, and use a point for decimals."),
        "ValueError",
    ),
    rule(
        "division-by-zero",
        r"",
        N_("Something is divided by zero: print what is below the division before this line."),
        "ZeroDivisionError",
    ),
    rule(
        "list-index",
        r"",
        N_(
            "There is no such position: positions count from 0, so the last one is the length "
            "minus 1."
        ),
        "IndexError",
    ),
    rule(
        "missing-key",
        r"^(?P<key>.{1,60})",
        N_("The dictionary has no key {key}: print its keys and check how you wrote it."),
        "KeyError",
    ),
    rule(
        "no-attribute",
        r"'(?P<kind>[\w.]{1,40})' object has no attribute '(?P<name>\w{1,40})'",
        N_(
            "What is before the dot is of type {kind}, which has no `{name}`: check how it is "
            "written, and what you have with `type(...)`."
        ),
        "AttributeError",
    ),
    rule(
        "local-before-assignment",
        r"local variable '(?P<name>\w{1,40})'",
        N_(
            "The function gives a value to `{name}` somewhere, so it cannot use the one outside "
            "before: pass it as an argument, or choose another name."
        ),
        "UnboundLocalError",
    ),
    rule(
        "module-missing",
        r"No module named '(?P<name>[\w.]{1,60})'",
        N_(
            "There is no module `{name}`: check how it is written; where notebooks are graded, "
            "only the packages of the course are installed."
        ),
        "ModuleNotFoundError",
    ),
    rule(
        "import-name",
        r"cannot import name '(?P<name>\w{1,60})'",
        N_("The module has no `{name}`: check how it is written."),
        "ImportError",
    ),
    rule(
        "file-missing",
        r"",
        N_(
            "There is no such file: when a notebook is graded only what was handed in with it "
            "exists, so use names without a folder."
        ),
        "FileNotFoundError",
    ),
    rule(
        "endless-recursion",
        r"",
        N_("A function calls itself without end: check the condition under which it stops."),
        "RecursionError",
    ),
    rule(
        "unsolved",
        r"",
        N_("This part is still to be written: replace the line with `raise` by your answer."),
        "NotImplementedError",
    ),
    rule(
        "assertion",
        r"",
        N_(
            "A check of the notebook is not met: what must be true stands after `assert`, so print "
            "the values that it compares."
        ),
        "AssertionError",
    ),
    rule(
        "no-input",
        r"",
        N_(
            "While a notebook is graded nobody can type: give the value in the code, without "
            "`input`."
        ),
        "EOFError",
        "StdinNotImplementedError",
    ),
    rule(
        "not-permitted",
        r"",
        N_(
            "While a notebook is graded this is not allowed, such as other programs, the network "
            "or files elsewhere: leave that line out of what you hand in."
        ),
        "PermissionError",
    ),
    rule(
        "math-domain",
        r"math domain error|expected a nonnegative input",
        N_("This function is not defined for this number, such as the root of a negative one."),
        "ValueError",
    ),
    rule(
        "encoding",
        r"",
        N_('The text has characters that this encoding lacks: use `encoding="utf-8"`.'),
        "UnicodeEncodeError",
        "UnicodeDecodeError",
    ),
)
RULES: Final = (*_NONE, *_SYNTAX, *_TYPES, *_VALUES)
