"""Submissions of ``dispositivos``, judged as on a machine without CUDA and on one with it."""

from typing import Final

from tests.sample_class.common import Perfect, Plan, changed
from tests.sample_class.model import Answers, Case, code
from tests.sample_class.spoil import extra_cell

_A: Final = "dispositivos"


def _answers(eleccion: str, mover: str, mezcla: str, numpy: str) -> Answers:
    return {
        "dispositivos-eleccion": code(eleccion),
        "dispositivos-mover": code(mover),
        "dispositivos-mezcla": code(mezcla),
        "dispositivos-numpy": code(numpy),
    }


PLAIN: Final = _answers(
    eleccion="""
    def get_device():
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    """,
    mover="""
    device = get_device()
    tensor = rand_tensor.to(device)
    """,
    mezcla="""
    def add_on(a, b, device):
        return a.to(device) + b.to(device)
    """,
    numpy="""
    def to_numpy(t):
        return t.detach().cpu().numpy()
    """,
)

_TEXTS: Final = _answers(
    eleccion="""
    def get_device():
        if torch.cuda.is_available():
            return "cuda"
        else:
            return "cpu"
    """,
    mover="""
    device = get_device()
    tensor = rand_tensor.to(device=device, copy=True)
    """,
    mezcla="""
    def add_on(a, b, device):
        x, y = (t.to(device) for t in (a, b))
        return torch.add(x, y)
    """,
    numpy="""
    def to_numpy(t):
        return t.numpy(force=True)
    """,
)

_LAMBDAS: Final = _answers(
    eleccion="""
    get_device = lambda: torch.device(("cpu", "cuda")[torch.cuda.is_available()])
    """,
    mover="""
    device = get_device()
    tensor = rand_tensor.clone().to(device)
    """,
    mezcla="add_on = lambda a, b, device: sum(t.to(device) for t in (a, b))",
    numpy="to_numpy = lambda t: np.asarray(t.cpu().detach())",
)

_CLASSES: Final = _answers(
    eleccion="""
    class Maquina:
        def __init__(self):
            self.con_cuda = torch.cuda.is_available()

        def dispositivo(self):
            if self.con_cuda:
                return torch.device("cuda", 0)
            return torch.device("cpu")

    def get_device():
        return Maquina().dispositivo()
    """,
    mover="""
    device = Maquina().dispositivo()
    if device.type == "cuda":
        tensor = rand_tensor.cuda()
    else:
        tensor = rand_tensor
    """,
    mezcla="""
    class Suma:
        def __call__(self, a, b, device):
            a, b = a.to(device), b.to(device)
            total = a.clone()
            total += b
            return total

    add_on = Suma()
    """,
    numpy="""
    class Puente:
        @classmethod
        def a_numpy(cls, t):
            return t.data.cpu().numpy().copy()

    to_numpy = Puente.a_numpy
    """,
)

_HELPERS: Final = _answers(
    eleccion="""
    def get_device() -> str:
        nombres = ["cuda"] if torch.cuda.is_available() else []
        return torch.device((nombres + ["cpu"])[0])
    """,
    mover="""
    device = get_device()
    tensor = llevar(rand_tensor, device)
    print(tensor.device)
    """,
    mezcla="""
    def add_on(a, b, device):
        with torch.no_grad():
            return llevar(a, device).add(llevar(b, device))
    """,
    numpy="""
    def to_numpy(t):
        if t.requires_grad:
            t = t.detach()
        if t.is_cuda:
            t = t.cpu()
        return t.numpy()
    """,
)


def _but(**changes: str) -> Answers:
    return changed(_A, PLAIN, **{name: code(source) for name, source in changes.items()})


def _without(*grade_ids: str) -> Answers:
    return {grade_id: answer for grade_id, answer in PLAIN.items() if grade_id not in grade_ids}


_WITHOUT_MOVER: Final = _without("dispositivos-mover")

_OWN: Final = (
    # --- dispositivos-eleccion
    Case(
        "siempre-cpu",
        _A,
        "The tensors always stay on the CPU: right on a machine without CUDA only; moving follows "
        "the function, and is not judged for its mistake.",
        _but(
            eleccion='def get_device():\n    return torch.device("cpu")',
            mover='device = torch.device("cpu")\ntensor = rand_tensor',
        ),
        expected={"dispositivos-eleccion": 3},
    ),
    Case(
        "siempre-cuda",
        _A,
        "Always CUDA: right on a machine with CUDA only; moving is left open.",
        {
            **_WITHOUT_MOVER,
            "dispositivos-eleccion": 'def get_device():\n    return torch.device("cuda")',
        },
        expected={"dispositivos-eleccion": 3, "dispositivos-mover": 0},
    ),
    Case(
        "condicion-al-reves",
        _A,
        "The condition is the wrong way round: a device, and never the right one; moving is left "
        "open.",
        {
            **_WITHOUT_MOVER,
            "dispositivos-eleccion": code(
                """
                def get_device():
                    if not torch.cuda.is_available():
                        return "cuda:0"
                    return "cpu"
                """
            ),
        },
        expected={"dispositivos-eleccion": 1, "dispositivos-mover": 0},
    ),
    Case(
        "dispositivo-inventado",
        _A,
        "A text that torch.device does not know; moving is left open.",
        {**_WITHOUT_MOVER, "dispositivos-eleccion": 'def get_device():\n    return "procesador"'},
        expected={"dispositivos-eleccion": 0, "dispositivos-mover": 0},
    ),
    Case(
        "dispositivo-logico",
        _A,
        "Returns whether there is CUDA instead of a device; moving is left open.",
        {
            **_WITHOUT_MOVER,
            "dispositivos-eleccion": "def get_device():\n    return torch.cuda.is_available()",
        },
        expected={"dispositivos-eleccion": 0, "dispositivos-mover": 0},
    ),
    Case(
        "dispositivo-impreso",
        _A,
        "Prints the device instead of returning it; moving is left open.",
        {
            **_WITHOUT_MOVER,
            "dispositivos-eleccion": code(
                """
                def get_device():
                    print("cuda" if torch.cuda.is_available() else "cpu")
                """
            ),
        },
        expected={"dispositivos-eleccion": 0, "dispositivos-mover": 0},
    ),
    Case(
        "dispositivo-otro-nombre",
        _A,
        "The function has another name, and is used under it: the rest works.",
        _but(
            eleccion="""
            def elegir():
                return torch.device("cuda" if torch.cuda.is_available() else "cpu")
            """,
            mover="device = elegir()\ntensor = rand_tensor.to(device)",
        ),
        expected={"dispositivos-eleccion": 0},
    ),
    # --- dispositivos-mover
    Case(
        "mover-sin-llamar",
        _A,
        "get_device without brackets: device is a function and nothing can be moved to it.",
        _but(mover="device = get_device\ntensor = rand_tensor.to(device)"),
        expected={"dispositivos-mover": 0},
    ),
    Case(
        "mover-sin-guardar",
        _A,
        "The moved tensor is not kept: only device counts.",
        _but(mover="device = get_device()\nrand_tensor.to(device)"),
        expected={"dispositivos-mover": 2},
    ),
    Case(
        "mover-otro-tensor",
        _A,
        "New random values on the right device: they are not those of rand_tensor.",
        _but(mover="device = get_device()\ntensor = torch.rand(rand_tensor.shape, device=device)"),
        expected={"dispositivos-mover": 3},
    ),
    Case(
        "mover-y-doblar",
        _A,
        "The values change on the way.",
        _but(mover="device = get_device()\ntensor = rand_tensor.to(device) * 2"),
        expected={"dispositivos-mover": 3},
    ),
    Case(
        "mover-a-numpy",
        _A,
        "tensor is an array: only device counts.",
        _but(mover="device = get_device()\ntensor = rand_tensor.to(device).numpy()"),
        expected={"dispositivos-mover": 2},
    ),
    Case(
        "mover-a-cuda",
        _A,
        "Moves to CUDA without asking, which raises without it: only device counts.",
        _but(mover='device = get_device()\ntensor = rand_tensor.to("cuda")'),
        expected={"dispositivos-mover": 2},
    ),
    # --- dispositivos-mezcla
    Case(
        "suma-en-el-sitio",
        _A,
        "On the CPU, moving gives the same tensor, so add_ changes the first operand.",
        _but(mezcla="def add_on(a, b, device):\n    return a.to(device).add_(b.to(device))"),
        expected={"dispositivos-mezcla": 4},
    ),
    Case(
        "suma-cambia-el-segundo",
        _A,
        "b is changed in place.",
        _but(
            mezcla="""
            def add_on(a, b, device):
                b = b.to(device)
                b += a.to(device)
                return b
            """
        ),
        expected={"dispositivos-mezcla": 4},
    ),
    Case(
        "suma-que-resta",
        _A,
        "Subtracts: what is said of the sum does not count either.",
        _but(mezcla="def add_on(a, b, device):\n    return a.to(device) - b.to(device)"),
        expected={"dispositivos-mezcla": 0},
    ),
    Case(
        "suma-total",
        _A,
        "Adds everything up to one number.",
        _but(mezcla="def add_on(a, b, device):\n    return (a.to(device) + b.to(device)).sum()"),
        expected={"dispositivos-mezcla": 0},
    ),
    Case(
        "suma-sin-devolver",
        _A,
        "Returns nothing.",
        _but(mezcla="def add_on(a, b, device):\n    total = a.to(device) + b.to(device)"),
        expected={"dispositivos-mezcla": 0},
    ),
    Case(
        "suma-global",
        _A,
        "Adds the notebook's own tensor, not its arguments.",
        _but(mezcla="def add_on(a, b, device):\n    return tensor + tensor"),
        expected={"dispositivos-mezcla": 0},
    ),
    Case(
        "suma-sin-mover",
        _A,
        "Moves nothing: right only while all is on one device.",
        _but(mezcla="def add_on(a, b, device):\n    return a + b"),
        expected={"dispositivos-mezcla": 3},
    ),
    Case(
        "suma-de-vuelta",
        _A,
        "Brings the sum back to the CPU.",
        _but(mezcla="def add_on(a, b, device):\n    return (a.to(device) + b.to(device)).cpu()"),
        expected={"dispositivos-mezcla": 4},
    ),
    # --- dispositivos-numpy
    Case(
        "numpy-sin-detach",
        _A,
        "numpy() refuses a tensor that requires grad.",
        _but(numpy="def to_numpy(t):\n    return t.cpu().numpy()"),
        expected={"dispositivos-numpy": 4},
    ),
    Case(
        "numpy-sin-cpu",
        _A,
        "numpy() refuses a tensor that is on CUDA.",
        _but(numpy="def to_numpy(t):\n    return t.detach().numpy()"),
        expected={"dispositivos-numpy": 3},
    ),
    Case(
        "numpy-sin-gradiente",
        _A,
        "Under no_grad, numpy() takes a tensor that requires grad: right.",
        _but(numpy="def to_numpy(t):\n    with torch.no_grad():\n        return t.cpu().numpy()"),
    ),
    Case(
        "numpy-float32",
        _A,
        "Every dtype becomes float32.",
        _but(numpy="def to_numpy(t):\n    return t.detach().cpu().float().numpy()"),
        expected={"dispositivos-numpy": 4},
    ),
    Case(
        "numpy-lista",
        _A,
        "A list, no array.",
        _but(numpy="def to_numpy(t):\n    return t.tolist()"),
        expected={"dispositivos-numpy": 0},
    ),
    Case(
        "numpy-tensor",
        _A,
        "Still a tensor.",
        _but(numpy="def to_numpy(t):\n    return t.detach().cpu()"),
        expected={"dispositivos-numpy": 0},
    ),
    # --- several exercises
    Case(
        "sin-funciones",
        _A,
        "Only the first two exercises are done.",
        _without("dispositivos-mezcla", "dispositivos-numpy"),
        expected={"dispositivos-mezcla": 0, "dispositivos-numpy": 0},
    ),
    Case(
        "un-poco-de-todo",
        _A,
        "Something is missing in each exercise.",
        {
            "dispositivos-eleccion": 'def get_device():\n    return "cuda"',
            "dispositivos-mover": "# no sé seguir\npass",
            "dispositivos-mezcla": code(
                """
                def add_on(a, b, device):
                    a += b
                    return a.to(device)
                """
            ),
            "dispositivos-numpy": "def to_numpy(t):\n    return t.numpy()",
        },
        expected={
            "dispositivos-eleccion": 3,
            "dispositivos-mover": 0,
            "dispositivos-mezcla": 3,
            "dispositivos-numpy": 2,
        },
    ),
)

PLAN: Final = Plan(
    assignment=_A,
    perfect=(
        Perfect("As the lesson shows it.", PLAIN),
        Perfect("Texts as devices, a copy, numpy(force=True).", _TEXTS),
        Perfect("Lambdas, built-in sum, asarray.", _LAMBDAS),
        Perfect("Classes, a callable object, cuda() only where there is CUDA.", _CLASSES),
        Perfect(
            "Helper functions in a cell of their own, no_grad, only the steps that are needed.",
            _HELPERS,
            (
                extra_cell(
                    "dispositivos-eleccion", "def llevar(t, a):\n    return t.to(a)", "ayuda"
                ),
            ),
        ),
    ),
    broken={
        "error-de-sintaxis": "dispositivos-mezcla",
        "bucle-infinito": "dispositivos-mover",
        "salida-sin-fin": "dispositivos-eleccion",
        "memoria-sin-fin": "dispositivos-mezcla",
        "sale-del-programa": "dispositivos-eleccion",
        "pregunta-al-usuario": "dispositivos-mover",
    },
    endless=(
        "dispositivos-numpy",
        "def to_numpy(t):\n    while True:\n        t = t.detach()\n    return t.numpy()",
    ),
    takes_along={"dispositivos-eleccion": ("dispositivos-mover",)},
    first_cell_survivors=("dispositivos-mezcla", "dispositivos-numpy"),
    import_again=("dispositivos-mezcla", ("dispositivos-mezcla", "dispositivos-numpy")),
    foreign="optimizacion",
    own=_OWN,
)
