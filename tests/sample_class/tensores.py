"""Submissions of ``tensores``."""

from typing import Final

from tests.sample_class.common import Perfect, Plan, changed
from tests.sample_class.model import Answers, Case, code
from tests.sample_class.spoil import extra_cell

_A: Final = "tensores"


def _answers(
    *, lista: str, numpy: str, like: str, forma: str, atributos: str, afin: str
) -> Answers:
    return {
        "tensores-lista": code(lista),
        "tensores-numpy": code(numpy),
        "tensores-like": code(like),
        "tensores-forma": code(forma),
        "tensores-atributos": code(atributos),
        "tensores-afin": code(afin),
    }


PLAIN: Final = _answers(
    lista="tensor_data = torch.tensor(data)",
    numpy="""
    np_array = np.array(data)
    tensor_np = torch.from_numpy(np_array)
    """,
    like="""
    x_zeros = torch.zeros_like(tensor_data)
    x_ones = torch.ones_like(tensor_data)
    x_rand = torch.rand_like(tensor_data, dtype=torch.float)
    """,
    forma="""
    zeros_tensor = torch.zeros(shape)
    ones_tensor = torch.ones(shape)
    rand_tensor = torch.rand(shape)
    """,
    atributos="""
    def describe(t):
        return {"shape": tuple(t.shape), "dtype": t.dtype, "device": str(t.device)}
    """,
    afin="""
    def affine(x, w, b):
        return x @ w + b
    """,
)

_LAMBDAS: Final = _answers(
    lista="tensor_data = torch.as_tensor(data)",
    numpy="""
    np_array = np.asarray(data)
    tensor_np = torch.as_tensor(np_array)
    """,
    like="""
    x_zeros, x_ones = (tensor_data.new_full(tensor_data.shape, k) for k in (0, 1))
    x_rand = torch.rand(tensor_data.shape)
    """,
    forma="""
    crear = (torch.zeros, torch.ones, torch.rand)
    zeros_tensor, ones_tensor, rand_tensor = (f(shape) for f in crear)
    """,
    atributos="""
    describe = lambda t: dict(shape=t.shape, dtype=t.dtype, device=f"{t.device}")
    """,
    afin="affine = lambda x, w, b: torch.matmul(x, w) + b",
)

_CLASSES: Final = _answers(
    lista="""
    class Caja:
        def __init__(self, filas):
            self.filas = filas

        def tensor(self):
            return torch.stack([torch.asarray(fila) for fila in self.filas])

    tensor_data = Caja(data).tensor()
    """,
    numpy="""
    np_array = np.vstack([np.array(fila) for fila in data])
    tensor_np = torch.asarray(np_array)
    """,
    like="""
    x_zeros = tensor_data * 0
    x_ones = x_zeros + 1
    x_rand = torch.empty(3, 3, dtype=torch.float64).uniform_()
    """,
    forma="""
    filas, columnas = shape
    zeros_tensor = torch.full(shape, 0.0)
    ones_tensor = zeros_tensor + 1
    rand_tensor = torch.empty(filas, columnas).uniform_(0, 1)
    """,
    atributos="""
    class Ficha:
        @staticmethod
        def de(t):
            forma = tuple(t.size(i) for i in range(t.dim()))
            return {"device": str(t.device), "dtype": t.dtype, "shape": forma}

    describe = Ficha.de
    """,
    afin="""
    class Afin:
        def __call__(self, x, w, b):
            return torch.nn.functional.linear(x, w.T, b)

    affine = Afin()
    """,
)

_HELPERS: Final = _answers(
    lista="tensor_data = torch.LongTensor(data)",
    numpy="""
    np_array = np.array(data, dtype=np.int64)
    tensor_np = torch.from_dlpack(np_array)
    """,
    like="""
    x_zeros = como(tensor_data, 0)
    x_ones = como(tensor_data, 1)
    x_rand = torch.rand(*tensor_data.size(), generator=torch.Generator().manual_seed(11))
    """,
    forma="""
    def crear(funcion):
        return funcion(*shape)

    zeros_tensor = crear(torch.zeros)
    ones_tensor = crear(torch.ones)
    rand_tensor = torch.from_numpy(np.random.default_rng(5).random(shape, dtype=np.float32))
    """,
    atributos="""
    def describe(t):
        ficha = {}
        for nombre in ("shape", "dtype", "device"):
            ficha[nombre] = getattr(t, nombre)
        ficha["shape"] = tuple(ficha["shape"])
        ficha["device"] = str(ficha["device"])
        return ficha
    """,
    afin="""
    def producto(x, w):
        return torch.einsum("...i,ij->...j", x, w)

    def affine(x, w, b):
        salida = producto(x, w)
        salida += b
        return salida
    """,
)

_SHOWN: Final = _answers(
    lista="""
    tensor_data = torch.asarray(data)
    tensor_data
    """,
    numpy="""
    np_array = np.zeros((3, 3), dtype=int)
    for i in range(3):
        for j in range(3):
            np_array[i, j] = data[i][j]
    tensor_np = torch.from_numpy(np_array)
    print(tensor_np, tensor_np.dtype)
    """,
    like="""
    x_zeros = torch.full_like(tensor_data, 0)
    x_ones = torch.full_like(tensor_data, 1)
    x_rand = torch.rand_like(tensor_data.to(torch.float32))
    print(x_zeros, x_ones, x_rand, sep="\\n")
    """,
    forma="""
    zeros_tensor = torch.tensor([[0.0, 0.0]] * 3)
    ones_tensor = torch.ones_like(zeros_tensor)
    rand_tensor = torch.rand_like(zeros_tensor)
    """,
    atributos="""
    def describe(t: "torch.Tensor") -> dict:
        "Forma, tipo y dispositivo de un tensor."
        shape, dtype, device = tuple(t.shape), t.dtype, str(t.device)
        return {"shape": shape, "dtype": dtype, "device": device, "ndim": len(shape)}
    """,
    afin="""
    def affine(x, w, b):
        if x.dim() == 1:
            return torch.mv(w.t(), x) + b
        return torch.mm(x, w) + b
    """,
)


def _but(**changes: str) -> Answers:
    return changed(_A, PLAIN, **{name: code(source) for name, source in changes.items()})


def _without(*grade_ids: str) -> Answers:
    return {grade_id: answer for grade_id, answer in PLAIN.items() if grade_id not in grade_ids}


_OWN: Final = (
    # --- tensores-lista
    Case(
        "lista-decimales",
        _A,
        "A float dtype instead of the inferred one: shape and values count, the dtype does not; "
        "what follows is made with the properties of the student's own tensor.",
        _but(lista="tensor_data = torch.tensor(data, dtype=torch.float32)"),
        expected={"tensores-lista": 3},
    ),
    Case(
        "lista-traspuesta",
        _A,
        "Rows and columns exchanged: shape and dtype count, the values do not.",
        _but(lista="tensor_data = torch.tensor(data).T"),
        expected={"tensores-lista": 2},
    ),
    Case(
        "lista-a-mano",
        _A,
        "Values typed by hand, one of them wrong: shape and dtype count.",
        _but(lista="tensor_data = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 8]])"),
        expected={"tensores-lista": 2},
    ),
    Case(
        "lista-plana",
        _A,
        "Flattened: only the dtype is right; tensores-like is left open.",
        {
            **_without("tensores-like"),
            "tensores-lista": "tensor_data = torch.tensor(data).flatten()",
        },
        expected={"tensores-lista": 1, "tensores-like": 0},
    ),
    Case(
        "lista-en-numpy",
        _A,
        "An array instead of a tensor earns nothing, and zeros_like refuses it.",
        _but(lista="tensor_data = np.array(data)"),
        expected={"tensores-lista": 0, "tensores-like": 0},
    ),
    # --- tensores-numpy
    Case(
        "numpy-copiado",
        _A,
        "torch.tensor copies the array: right values, no shared memory.",
        _but(numpy="np_array = np.array(data)\ntensor_np = torch.tensor(np_array)"),
        expected={"tensores-numpy": 3},
    ),
    Case(
        "numpy-clonado",
        _A,
        "The shared tensor is cloned afterwards: right values, no shared memory.",
        _but(numpy="np_array = np.array(data)\ntensor_np = torch.from_numpy(np_array).clone()"),
        expected={"tensores-numpy": 3},
    ),
    Case(
        "numpy-a-medias",
        _A,
        "Only the array: its part counts.",
        _but(numpy="np_array = np.array(data)"),
        expected={"tensores-numpy": 1},
    ),
    Case(
        "numpy-sin-array",
        _A,
        "The tensor is made under another name of the array: array and memory are missing, the "
        "values of the tensor are right.",
        _but(numpy="tensor_np = torch.from_numpy(np.array(data))"),
        expected={"tensores-numpy": 2},
    ),
    # --- tensores-like
    Case(
        "aleatorio-entero",
        _A,
        "rand_like refuses the integer dtype: x_rand never comes to be.",
        _but(
            like="""
            x_zeros = torch.zeros_like(tensor_data)
            x_ones = torch.ones_like(tensor_data)
            x_rand = torch.rand_like(tensor_data)
            """
        ),
        expected={"tensores-like": 2},
    ),
    Case(
        "aleatorio-redondeado",
        _A,
        "Random values back in the integer dtype: only the shape of x_rand is right.",
        _but(
            like="""
            x_zeros = torch.zeros_like(tensor_data)
            x_ones = torch.ones_like(tensor_data)
            x_rand = torch.rand(3, 3).to(tensor_data.dtype)
            """
        ),
        expected={"tensores-like": 3},
    ),
    Case(
        "aleatorio-constante",
        _A,
        "x_rand is the same number nine times: shape and dtype count.",
        _but(
            like="""
            x_zeros = torch.zeros_like(tensor_data)
            x_ones = torch.ones_like(tensor_data)
            x_rand = torch.full_like(tensor_data, 0.5, dtype=torch.float)
            """
        ),
        expected={"tensores-like": 4},
    ),
    Case(
        "aleatorio-a-mano",
        _A,
        "Random values typed by hand, as they are printed: shape and dtype count.",
        _but(
            like="""
            x_zeros = torch.zeros_like(tensor_data)
            x_ones = torch.ones_like(tensor_data)
            x_rand = torch.tensor(
                [[0.1423, 0.8817, 0.5060], [0.7392, 0.0451, 0.6318], [0.2976, 0.9204, 0.3685]]
            )
            """,
            forma="""
            zeros_tensor = torch.zeros(shape)
            ones_tensor = torch.ones(shape)
            rand_tensor = torch.tensor([[0.4471, 0.9138], [0.0826, 0.5719], [0.6603, 0.2495]])
            """,
        ),
        expected={"tensores-like": 4, "tensores-forma": 3},
    ),
    Case(
        "aleatorio-fuera",
        _A,
        "Random values far outside [0, 1): shape and dtype count.",
        _but(
            like="""
            x_zeros = torch.zeros_like(tensor_data)
            x_ones = torch.ones_like(tensor_data)
            x_rand = torch.rand_like(tensor_data, dtype=torch.float) * 100 + 1
            """
        ),
        expected={"tensores-like": 4},
    ),
    Case(
        "ceros-por-unos",
        _A,
        "x_zeros and x_ones are exchanged: only x_rand counts.",
        _but(
            like="""
            x_ones = torch.zeros_like(tensor_data)
            x_zeros = torch.ones_like(tensor_data)
            x_rand = torch.rand_like(tensor_data, dtype=torch.float)
            """
        ),
        expected={"tensores-like": 3},
    ),
    Case(
        "ceros-decimales",
        _A,
        "x_zeros and x_ones have a float dtype, not that of tensor_data.",
        _but(
            like="""
            x_zeros = torch.zeros(3, 3)
            x_ones = torch.ones(3, 3)
            x_rand = torch.rand(3, 3)
            """
        ),
        expected={"tensores-like": 3},
    ),
    # --- tensores-forma
    Case(
        "forma-al-reves",
        _A,
        "ones_tensor has the shape (2, 3).",
        _but(
            forma="""
            zeros_tensor = torch.zeros(shape)
            ones_tensor = torch.ones(shape[::-1])
            rand_tensor = torch.rand(shape)
            """
        ),
        expected={"tensores-forma": 3},
    ),
    Case(
        "forma-enteros",
        _A,
        "rand_tensor holds random integers: neither its dtype nor its values are right.",
        _but(
            forma="""
            zeros_tensor = torch.zeros(shape)
            ones_tensor = torch.ones(shape)
            rand_tensor = torch.randint(2, 10, shape)
            """
        ),
        expected={"tensores-forma": 2},
    ),
    Case(
        "forma-sin-azar",
        _A,
        "rand_tensor is constant: its shape and dtype count.",
        _but(
            forma="""
            zeros_tensor = torch.zeros(shape)
            ones_tensor = torch.ones(shape)
            rand_tensor = torch.ones(shape) / 2
            """
        ),
        expected={"tensores-forma": 3},
    ),
    # --- tensores-atributos
    Case(
        "atributos-en-lista",
        _A,
        "The shape is a list, no tuple.",
        _but(
            atributos="""
            def describe(t):
                return {"shape": list(t.shape), "dtype": t.dtype, "device": str(t.device)}
            """
        ),
        expected={"tensores-atributos": 2},
    ),
    Case(
        "atributos-en-texto",
        _A,
        "Everything as text: the dtype is no torch.dtype and the shape no tuple.",
        _but(
            atributos="""
            def describe(t):
                return {k: str(getattr(t, k)) for k in ("shape", "dtype", "device")}
            """
        ),
        expected={"tensores-atributos": 1},
    ),
    Case(
        "atributos-sin-texto",
        _A,
        "The device is a torch.device, no text.",
        _but(
            atributos="""
            def describe(t):
                return {"shape": tuple(t.shape), "dtype": t.dtype, "device": t.device}
            """
        ),
        expected={"tensores-atributos": 2},
    ),
    Case(
        "atributos-otras-claves",
        _A,
        "The dict has other keys.",
        _but(
            atributos="""
            def describe(t):
                return {"forma": tuple(t.shape), "tipo": t.dtype, "dispositivo": str(t.device)}
            """
        ),
        expected={"tensores-atributos": 0},
    ),
    Case(
        "atributos-impresos",
        _A,
        "Prints instead of returning.",
        _but(
            atributos="""
            def describe(t):
                print({"shape": tuple(t.shape), "dtype": t.dtype, "device": str(t.device)})
            """
        ),
        expected={"tensores-atributos": 0},
    ),
    # --- tensores-afin
    Case(
        "afin-sin-sesgo",
        _A,
        "b is forgotten.",
        _but(afin="def affine(x, w, b):\n    return x @ w"),
        expected={"tensores-afin": 0},
    ),
    Case(
        "afin-float32",
        _A,
        "Everything is cast to float32: float64 is lost.",
        _but(afin="def affine(x, w, b):\n    return x.float() @ w.float() + b.float()"),
        expected={"tensores-afin": 3},
    ),
    Case(
        "afin-una-muestra",
        _A,
        "Works for one sample, and casts to float32.",
        _but(afin="def affine(x, w, b):\n    return torch.mv(w.float().T, x.float()) + b.float()"),
        expected={"tensores-afin": 1},
    ),
    Case(
        "afin-solo-lote",
        _A,
        "Works for a batch, and casts to float32.",
        _but(afin="def affine(x, w, b):\n    return torch.mm(x.float(), w.float()) + b.float()"),
        expected={"tensores-afin": 2},
    ),
    Case(
        "afin-recursiva",
        _A,
        "Calls itself for ever: RecursionError in every call.",
        _but(afin="def affine(x, w, b):\n    return affine(x, w, b) + 0"),
        expected={"tensores-afin": 0},
    ),
    Case(
        "afin-elemento-a-elemento",
        _A,
        "Multiplies element by element.",
        _but(afin="def affine(x, w, b):\n    return (x.unsqueeze(-1) * w).flatten() + b.sum()"),
        expected={"tensores-afin": 0},
    ),
    # --- several exercises
    Case(
        "primera-mitad",
        _A,
        "Only the first three exercises are done.",
        _without("tensores-forma", "tensores-atributos", "tensores-afin"),
        expected={"tensores-forma": 0, "tensores-atributos": 0, "tensores-afin": 0},
    ),
    Case(
        "un-poco-de-todo",
        _A,
        "Something is missing in each exercise.",
        {
            "tensores-lista": "tensor_data = torch.tensor(data, dtype=torch.int32)",
            "tensores-numpy": "np_array = np.array(data)\ntensor_np = torch.tensor(np_array)",
            "tensores-like": "x_zeros = torch.zeros_like(tensor_data)",
            "tensores-forma": "zeros_tensor = torch.zeros(shape)\nones_tensor = torch.ones(shape)",
            "tensores-atributos": 'def describe(t):\n    return {"dtype": t.dtype}',
            "tensores-afin": "def affine(x, w, b):\n    return (x.float() @ w.float()) + b.float()",
        },
        expected={
            "tensores-lista": 3,
            "tensores-numpy": 3,
            "tensores-like": 1,
            "tensores-forma": 2,
            "tensores-atributos": 1,
            "tensores-afin": 3,
        },
    ),
)


PLAN: Final = Plan(
    assignment=_A,
    perfect=(
        Perfect("As the lesson shows it.", PLAIN),
        Perfect("as_tensor, new_full, lambdas, torch.Size as the shape.", _LAMBDAS),
        Perfect("asarray, classes, a callable object, float64 random values.", _CLASSES),
        Perfect(
            "DLPack, helper functions in cells of their own, einsum.",
            _HELPERS,
            (
                extra_cell(
                    "tensores-like",
                    "def como(t, k):\n    return torch.full(t.shape, k, dtype=t.dtype)",
                    "ayuda",
                ),
            ),
        ),
        Perfect("full_like, loops over the data, results shown, more keys.", _SHOWN),
    ),
    broken={
        "error-de-sintaxis": "tensores-numpy",
        "bucle-infinito": "tensores-like",
        "salida-sin-fin": "tensores-forma",
        "memoria-sin-fin": "tensores-numpy",
        "sale-del-programa": "tensores-lista",
        "pregunta-al-usuario": "tensores-atributos",
    },
    endless=(
        "tensores-afin",
        code(
            """
            def affine(x, w, b):
                while True:
                    z = x @ w + b
                return z
            """
        ),
    ),
    takes_along={"tensores-lista": ("tensores-like",)},
    first_cell_survivors=("tensores-atributos", "tensores-afin"),
    import_again=(
        "tensores-numpy",
        ("tensores-numpy", "tensores-forma", "tensores-atributos", "tensores-afin"),
    ),
    foreign="gradientes",
    own=_OWN,
)
