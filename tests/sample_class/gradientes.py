"""Submissions of ``gradientes``."""

from typing import Final

from tests.sample_class.common import Perfect, Plan, changed
from tests.sample_class.model import Answers, Case, code
from tests.sample_class.spoil import extra_cell

_A: Final = "gradientes"


def _answers(perdida: str, grad_fn: str, backward: str, funcion: str, a_mano: str) -> Answers:
    return {
        "gradientes-perdida": code(perdida),
        "gradientes-grad-fn": code(grad_fn),
        "gradientes-backward": code(backward),
        "gradientes-funcion": code(funcion),
        "gradientes-a-mano": code(a_mano),
    }


PLAIN: Final = _answers(
    perdida="""
    x = torch.ones(5)
    y = torch.zeros(3)
    w = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    z = torch.matmul(x, w) + b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    """,
    grad_fn="""
    z_grad_fn = type(z.grad_fn).__name__
    loss_grad_fn = type(loss.grad_fn).__name__
    """,
    backward="loss.backward()",
    funcion="""
    def gradients(x, y, w, b):
        w = w.detach().clone().requires_grad_(True)
        b = b.detach().clone().requires_grad_(True)
        z = x @ w + b
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
        loss.backward()
        return w.grad, b.grad
    """,
    a_mano="""
    def manual_gradients(x, y, w, b):
        dz = (torch.sigmoid(x @ w + b) - y) / y.numel()
        if x.dim() == 1:
            return torch.outer(x, dz), dz
        return x.T @ dz, dz.sum(dim=0)
    """,
)

_GRAD: Final = _answers(
    perdida="""
    torch.manual_seed(2024)
    x, y = torch.ones(5), torch.zeros(3)
    w, b = (torch.rand(n).requires_grad_() for n in ((5, 3), (3,)))
    z = x @ w + b
    loss = torch.nn.BCEWithLogitsLoss()(z, y)
    """,
    grad_fn="z_grad_fn, loss_grad_fn = (t.grad_fn.name() for t in (z, loss))",
    backward="w.grad, b.grad = torch.autograd.grad(loss, (w, b))",
    funcion="""
    perdida = torch.nn.BCEWithLogitsLoss()

    def gradients(x, y, w, b):
        w, b = (t.detach().requires_grad_() for t in (w, b))
        return torch.autograd.grad(perdida(x @ w + b, y), (w, b))
    """,
    a_mano="""
    def manual_gradients(x, y, w, b):
        x2, y2 = torch.atleast_2d(x), torch.atleast_2d(y)
        error = 1 / (1 + torch.exp(-(x2 @ w + b))) - y2
        return x2.t().mm(error) / y2.numel(), error.mean(0) / y2.shape[1]
    """,
)

_FORMULA: Final = _answers(
    perdida="""
    torch.manual_seed(7)
    x = torch.full((5,), 1.0)
    y = torch.full((3,), 0.0)
    w = torch.empty(5, 3).normal_(std=0.5).requires_grad_()
    b = torch.empty(3).normal_(std=0.5).requires_grad_()
    z = torch.addmv(b, w.T, x)
    p = torch.sigmoid(z)
    loss = -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()
    """,
    grad_fn="""
    z_grad_fn = z.grad_fn.name()
    loss_grad_fn = loss.grad_fn.name()
    print(z_grad_fn, loss_grad_fn)
    """,
    backward="torch.autograd.backward(loss)",
    funcion="""
    def gradients(x, y, w, b):
        def perdida(w, b):
            z = x @ w + b
            return (torch.nn.functional.softplus(z) - y * z).mean()

        return torch.func.grad(perdida, argnums=(0, 1))(w.detach(), b.detach())
    """,
    a_mano="""
    def manual_gradients(x, y, w, b):
        with torch.no_grad():
            dz = (x @ w + b).sigmoid().sub(y).div(y.numel())
            filas = dz.reshape(-1, dz.shape[-1])
            entradas = x.reshape(-1, x.shape[-1])
            dw = torch.einsum("ni,nj->ij", entradas, filas)
            return dw, filas.sum(0)
    """,
)

_CLASSES: Final = _answers(
    perdida="""
    class Capa(torch.nn.Module):
        def __init__(self, entradas, salidas):
            super().__init__()
            self.w = torch.nn.Parameter(torch.randn(entradas, salidas))
            self.b = torch.nn.Parameter(torch.randn(salidas))

        def forward(self, x):
            return x @ self.w + self.b

    x = torch.ones(5)
    y = torch.zeros(3)
    capa = Capa(5, 3)
    w, b = capa.w, capa.b
    z = capa(x)
    loss = torch.nn.functional.binary_cross_entropy(torch.sigmoid(z), y)
    """,
    grad_fn="""
    z_grad_fn = z.grad_fn.__class__.__name__
    loss_grad_fn = loss.grad_fn.__class__.__name__
    """,
    backward="""
    capa.zero_grad()
    loss.backward()
    """,
    funcion="""
    class Gradientes:
        def __call__(self, x, y, w, b):
            copia_w = torch.tensor(w.tolist(), dtype=w.dtype, requires_grad=True)
            copia_b = torch.tensor(b.tolist(), dtype=b.dtype, requires_grad=True)
            z = torch.nn.functional.linear(x, copia_w.T, copia_b)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
            loss.backward(inputs=[copia_w, copia_b])
            return copia_w.grad, copia_b.grad

    gradients = Gradientes()
    """,
    a_mano="""
    class AMano:
        @staticmethod
        def calcular(x, y, w, b):
            x, y, w, b = (t.detach() for t in (x, y, w, b))
            delta = (torch.special.expit(x @ w + b) - y) / y.numel()
            dw = (x.unsqueeze(-1) * delta.unsqueeze(-2)).reshape(-1, *w.shape).sum(0)
            return dw, delta.reshape(-1, b.shape[0]).sum(0)

    manual_gradients = AMano.calcular
    """,
)

_HELPERS: Final = _answers(
    perdida="""
    gen = torch.Generator().manual_seed(99)
    x = torch.ones(5)
    y = torch.zeros_like(x[:3])
    w = torch.randn((5, 3), generator=gen)
    b = torch.randn((3,), generator=gen)
    w.requires_grad = True
    b.requires_grad = True
    z = b + torch.einsum("i,ij->j", x, w)
    loss = entropia(z, y)
    """,
    grad_fn="""
    nombre = lambda t: str(t.grad_fn).split()[0].lstrip("<")
    z_grad_fn = nombre(z)
    loss_grad_fn = nombre(loss)
    """,
    backward="""
    loss.backward(retain_graph=True)
    print(w.grad)
    print(b.grad)
    """,
    funcion="""
    def gradients(x, y, w, b):
        antes = (w.requires_grad, b.requires_grad)
        w.requires_grad_(True)
        b.requires_grad_(True)
        dw, db = torch.autograd.grad(entropia(x @ w + b, y), [w, b])
        w.requires_grad_(antes[0])
        b.requires_grad_(antes[1])
        return (dw, db)
    """,
    a_mano="""
    def manual_gradients(x, y, w, b):
        muestras = x[None] if x.ndim == 1 else x
        objetivos = y[None] if y.ndim == 1 else y
        dw, db = torch.zeros_like(w), torch.zeros_like(b)
        for muestra, objetivo in zip(muestras, objetivos):
            delta = torch.sigmoid(muestra @ w + b) - objetivo
            dw = dw + muestra[:, None] * delta[None, :]
            db = db + delta
        return (dw / y.numel()).detach(), (db / y.numel()).detach()
    """,
)

_OTHER_W: Final[Answers] = {
    **PLAIN,
    "gradientes-perdida": code(
        """
        torch.manual_seed(123456)
        x = torch.ones(5)
        y = torch.zeros(3)
        w = torch.randn(5, 3, requires_grad=True)
        b = torch.randn(3, requires_grad=True)
        z = torch.matmul(x, w) + b
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
        """
    ),
}


def _but(**changes: str) -> Answers:
    return changed(_A, PLAIN, **{name: code(source) for name, source in changes.items()})


def _without(*grade_ids: str) -> Answers:
    return {grade_id: answer for grade_id, answer in PLAIN.items() if grade_id not in grade_ids}


def _gradients(line: str) -> str:
    """A ``gradients`` that is right up to its last line."""
    return (
        "def gradients(x, y, w, b):\n"
        "    w = w.detach().clone().requires_grad_()\n"
        "    b = b.detach().clone().requires_grad_()\n"
        "    z = x @ w + b\n"
        "    bce = torch.nn.functional.binary_cross_entropy_with_logits\n"
        f"    return {line}"
    )


_AFTER: Final = {"gradientes-grad-fn": 0.0, "gradientes-backward": 0.0}

_OWN: Final = (
    # --- gradientes-perdida
    Case(
        "otros-w-y-b",
        _A,
        "The same answers as perfecto-1 with other random w and b.",
        _OTHER_W,
    ),
    Case(
        "w-de-ceros",
        _A,
        "w and b are not random; everything else is right for them.",
        _but(
            perdida="""
            x = torch.ones(5)
            y = torch.zeros(3)
            w = torch.zeros(5, 3, requires_grad=True)
            b = torch.zeros(3, requires_grad=True)
            z = x @ w + b
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
            """
        ),
        expected={"gradientes-perdida": 4},
    ),
    Case(
        "perdida-suma",
        _A,
        "The loss is a sum, not a mean; backpropagating it is left open.",
        {
            **_without("gradientes-backward"),
            "gradientes-perdida": PLAIN["gradientes-perdida"].replace(
                "(z, y)", '(z, y, reduction="sum")'
            ),
        },
        expected={"gradientes-perdida": 4, "gradientes-backward": 0},
    ),
    Case(
        "perdida-sin-logits",
        _A,
        "The loss takes z for probabilities, which raises: the rest of the cell counts.",
        {
            **_without("gradientes-grad-fn", "gradientes-backward"),
            "gradientes-perdida": "torch.manual_seed(1)\n"
            + PLAIN["gradientes-perdida"].replace("_with_logits", ""),
        },
        expected={"gradientes-perdida": 4, **_AFTER},
    ),
    Case(
        "perdida-cuadratica",
        _A,
        "Another loss; backpropagating it is left open.",
        {
            **_without("gradientes-backward"),
            "gradientes-perdida": PLAIN["gradientes-perdida"].replace(
                "binary_cross_entropy_with_logits", "mse_loss"
            ),
        },
        expected={"gradientes-perdida": 4, "gradientes-backward": 0},
    ),
    Case(
        "solo-parametros",
        _A,
        "Data and parameters, no z and no loss.",
        {
            **_without("gradientes-grad-fn", "gradientes-backward"),
            "gradientes-perdida": "\n".join(PLAIN["gradientes-perdida"].splitlines()[:4]),
        },
        expected={"gradientes-perdida": 3, **_AFTER},
    ),
    Case(
        "requires-grad-tarde",
        _A,
        "requires_grad is set after the operation: z has the right values and no grad_fn, and "
        "nothing can be backpropagated.",
        _but(
            perdida="""
            x = torch.ones(5)
            y = torch.zeros(3)
            w = torch.randn(5, 3)
            b = torch.randn(3)
            z = x @ w + b
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
            w.requires_grad_()
            b.requires_grad_()
            """
        ),
        expected={"gradientes-perdida": 5, **_AFTER},
    ),
    Case(
        "sin-requires-grad",
        _A,
        "w and b do not require grad: z and loss are right for them, but nothing can be "
        "backpropagated.",
        _but(perdida=PLAIN["gradientes-perdida"].replace(", requires_grad=True", "")),
        expected={"gradientes-perdida": 4, **_AFTER},
    ),
    Case(
        "detach-antes-de-la-perdida",
        _A,
        "z is detached too early: the loss has the right value and no grad_fn, and cannot be "
        "backpropagated.",
        _but(perdida=PLAIN["gradientes-perdida"].replace("(z, y)", "(z.detach(), y)")),
        expected={"gradientes-perdida": 4, "gradientes-grad-fn": 1, "gradientes-backward": 0},
    ),
    # --- gradientes-grad-fn
    Case(
        "grad-fn-objeto",
        _A,
        "The functions themselves, not their names.",
        _but(grad_fn="z_grad_fn = z.grad_fn\nloss_grad_fn = loss.grad_fn"),
        expected={"gradientes-grad-fn": 0},
    ),
    Case(
        "grad-fn-con-direccion",
        _A,
        "The text of the object, with its address, is not the name.",
        _but(grad_fn="z_grad_fn = str(z.grad_fn)\nloss_grad_fn = repr(loss.grad_fn)"),
        expected={"gradientes-grad-fn": 0},
    ),
    Case(
        "grad-fn-cambiados",
        _A,
        "The two names are exchanged.",
        _but(grad_fn="z_grad_fn = loss.grad_fn.name()\nloss_grad_fn = z.grad_fn.name()"),
        expected={"gradientes-grad-fn": 0},
    ),
    Case(
        "grad-fn-solo-z",
        _A,
        "Only the name for z.",
        _but(grad_fn="z_grad_fn = z.grad_fn.name()"),
        expected={"gradientes-grad-fn": 1},
    ),
    Case(
        "grad-fn-a-mano",
        _A,
        "Names typed by hand, the one for the loss without its number.",
        _but(
            grad_fn="""
            z_grad_fn = "AddBackward0"
            loss_grad_fn = "BinaryCrossEntropyWithLogits"
            """
        ),
        expected={"gradientes-grad-fn": 1},
    ),
    # --- gradientes-backward
    Case(
        "backward-dos-veces",
        _A,
        "Backpropagates twice: both gradients are doubled.",
        _but(backward="loss.backward(retain_graph=True)\nloss.backward()"),
        expected={"gradientes-backward": 0},
    ),
    Case(
        "backward-de-z",
        _A,
        "Backpropagates z instead of the loss.",
        _but(backward="z.sum().backward()"),
        expected={"gradientes-backward": 0},
    ),
    Case(
        "backward-solo-w",
        _A,
        "The gradient of b is missing.",
        _but(backward="loss.backward(inputs=[w])"),
        expected={"gradientes-backward": 4},
    ),
    Case(
        "backward-solo-b",
        _A,
        "The gradient of w is missing.",
        _but(backward="loss.backward(inputs=[b])"),
        expected={"gradientes-backward": 3},
    ),
    Case(
        "backward-a-mano",
        _A,
        "Numbers typed by hand from somebody else's w and b.",
        _but(
            backward="""
            w.grad = torch.tensor([[0.2158, 0.0427, 0.3091]] * 5)
            b.grad = torch.tensor([0.2158, 0.0427, 0.3091])
            """
        ),
        expected={"gradientes-backward": 0},
    ),
    Case(
        "backward-y-a-cero",
        _A,
        "The gradients are set to zero afterwards.",
        _but(backward="loss.backward()\nw.grad.zero_()\nb.grad = None"),
        expected={"gradientes-backward": 0},
    ),
    Case(
        "backward-de-detach",
        _A,
        "The loss is detached too early: there is nothing to backpropagate.",
        _but(backward="loss.detach().backward()"),
        expected={"gradientes-backward": 0},
    ),
    # --- gradientes-funcion
    Case(
        "funcion-sobre-los-argumentos",
        _A,
        "Backpropagates into the arguments: fails without requires_grad, and changes their .grad, "
        "so that it is wrong where there was one.",
        _but(
            funcion="""
            def gradients(x, y, w, b):
                z = x @ w + b
                torch.nn.functional.binary_cross_entropy_with_logits(z, y).backward()
                return w.grad, b.grad
            """
        ),
        expected={"gradientes-funcion": 5},
    ),
    Case(
        "funcion-que-borra",
        _A,
        "Sets requires_grad and .grad of its arguments: right results, arguments changed.",
        _but(
            funcion="""
            def gradients(x, y, w, b):
                w.requires_grad_(True)
                b.requires_grad_(True)
                w.grad = b.grad = None
                z = x @ w + b
                torch.nn.functional.binary_cross_entropy_with_logits(z, y).backward()
                return w.grad, b.grad
            """
        ),
        expected={"gradientes-funcion": 6},
    ),
    Case(
        "funcion-con-requires-grad",
        _A,
        "autograd.grad on the arguments: fails where they do not require grad.",
        _but(
            funcion="""
            def gradients(x, y, w, b):
                loss = torch.nn.BCEWithLogitsLoss()(x @ w + b, y)
                return torch.autograd.grad(loss, (w, b))
            """
        ),
        expected={"gradientes-funcion": 6},
    ),
    Case(
        "funcion-suma",
        _A,
        "Sum for mean: no result is right, so untouched arguments do not count.",
        _but(funcion=_gradients('torch.autograd.grad(bce(z, y, reduction="sum"), (w, b))')),
        expected={"gradientes-funcion": 0},
    ),
    Case(
        "funcion-detach",
        _A,
        "Detaches z too early: autograd does not find the parameters.",
        _but(
            funcion=_gradients("torch.autograd.grad(bce(z.detach().requires_grad_(), y), (w, b))")
        ),
        expected={"gradientes-funcion": 0},
    ),
    Case(
        "funcion-otra-variable",
        _A,
        "The gradient of z in place of those of w and b.",
        _but(funcion=_gradients("torch.autograd.grad(bce(z, y), (z, z))")),
        expected={"gradientes-funcion": 0},
    ),
    Case(
        "funcion-al-reves",
        _A,
        "Returns (db, dw).",
        _but(funcion=_gradients("torch.autograd.grad(bce(z, y), (b, w))")),
        expected={"gradientes-funcion": 0},
    ),
    Case(
        "funcion-descenso",
        _A,
        "The sign is wrong.",
        _but(funcion=_gradients("torch.autograd.grad(-bce(z, y), (w, b))")),
        expected={"gradientes-funcion": 0},
    ),
    # --- gradientes-a-mano
    Case(
        "a-mano-con-autograd",
        _A,
        "Uses autograd after all, which is switched off.",
        _but(
            a_mano="""
            def manual_gradients(x, y, w, b):
                return gradients(x, y, w, b)
            """
        ),
        expected={"gradientes-a-mano": 0},
    ),
    Case(
        "a-mano-una-muestra",
        _A,
        "The outer product works for one sample only.",
        _but(
            a_mano="""
            def manual_gradients(x, y, w, b):
                dz = (torch.sigmoid(x @ w + b) - y) / y.numel()
                return torch.outer(x, dz), dz
            """
        ),
        expected={"gradientes-a-mano": 4},
    ),
    Case(
        "a-mano-solo-lote",
        _A,
        "Works for a batch only.",
        _but(
            a_mano="""
            def manual_gradients(x, y, w, b):
                dz = (torch.sigmoid(x @ w + b) - y) / y.numel()
                return torch.mm(x.T, dz), dz.sum(0)
            """
        ),
        expected={"gradientes-a-mano": 4},
    ),
    Case(
        "a-mano-media-por-muestra",
        _A,
        "Divides by the outputs of one sample, not by all numbers of the batch.",
        _but(
            a_mano="""
            def manual_gradients(x, y, w, b):
                dz = (torch.sigmoid(x @ w + b) - y) / y.shape[-1]
                if x.dim() == 1:
                    return torch.outer(x, dz), dz
                return x.T @ dz, dz.sum(0)
            """
        ),
        expected={"gradientes-a-mano": 4},
    ),
    Case(
        "a-mano-sin-media",
        _A,
        "Sum for mean.",
        _but(
            a_mano="""
            def manual_gradients(x, y, w, b):
                dz = torch.sigmoid(x @ w + b) - y
                if x.dim() == 1:
                    return torch.outer(x, dz), dz
                return x.T @ dz, dz.sum(0)
            """
        ),
        expected={"gradientes-a-mano": 0},
    ),
    Case(
        "a-mano-sin-sigmoide",
        _A,
        "Forgets the sigmoid.",
        _but(
            a_mano="""
            def manual_gradients(x, y, w, b):
                dz = (x @ w + b - y) / y.numel()
                if x.dim() == 1:
                    return torch.outer(x, dz), dz
                return x.T @ dz, dz.sum(0)
            """
        ),
        expected={"gradientes-a-mano": 0},
    ),
    # --- several exercises
    Case(
        "solo-funciones",
        _A,
        "Only the two functions.",
        _without("gradientes-perdida", "gradientes-grad-fn", "gradientes-backward"),
        expected={"gradientes-perdida": 0, **_AFTER},
    ),
    Case(
        "un-poco-de-todo",
        _A,
        "Something is missing in each exercise.",
        {
            "gradientes-perdida": PLAIN["gradientes-perdida"].replace("randn", "ones"),
            "gradientes-grad-fn": "loss_grad_fn = loss.grad_fn.name()",
            "gradientes-backward": "loss.backward(inputs=(w,))",
            "gradientes-funcion": code(
                """
                def gradients(x, y, w, b):
                    loss = torch.nn.BCEWithLogitsLoss()(x @ w + b, y)
                    return torch.autograd.grad(loss, (w, b))
                """
            ),
            "gradientes-a-mano": code(
                """
                def manual_gradients(x, y, w, b):
                    dz = (torch.sigmoid(x @ w + b) - y) / len(y)
                    return x[:, None] * dz, dz
                """
            ),
        },
        expected={
            "gradientes-perdida": 4,
            "gradientes-grad-fn": 2,
            "gradientes-backward": 4,
            "gradientes-funcion": 6,
            "gradientes-a-mano": 4,
        },
    ),
)

PLAN: Final = Plan(
    assignment=_A,
    perfect=(
        Perfect("As the lesson shows it.", PLAIN),
        Perfect("The module form of the loss, autograd.grad, own seed.", _GRAD),
        Perfect("The loss by its formula, torch.func.grad, other w and b.", _FORMULA),
        Perfect("An nn.Module with parameters, the sigmoid apart, callable objects.", _CLASSES),
        Perfect(
            "Helper functions in a cell of their own, requires_grad set before the operation, "
            "a loop over the samples.",
            _HELPERS,
            (
                extra_cell(
                    "gradientes-perdida",
                    "def entropia(z, y):\n"
                    "    p = torch.nn.functional.logsigmoid\n"
                    "    return -torch.mean(y * p(z) + (1 - y) * p(-z))",
                    "ayuda",
                ),
            ),
        ),
    ),
    broken={
        "error-de-sintaxis": "gradientes-grad-fn",
        "bucle-infinito": "gradientes-backward",
        "salida-sin-fin": "gradientes-perdida",
        "memoria-sin-fin": "gradientes-grad-fn",
        "sale-del-programa": "gradientes-backward",
        "pregunta-al-usuario": "gradientes-a-mano",
    },
    endless=(
        "gradientes-funcion",
        code(
            """
            def gradients(x, y, w, b):
                dw = torch.zeros_like(w)
                while True:
                    dw = dw * 0.5
                return dw, b
            """
        ),
    ),
    takes_along={"gradientes-perdida": ("gradientes-grad-fn", "gradientes-backward")},
    first_cell_survivors=(),
    import_again=("gradientes-funcion", ("gradientes-funcion", "gradientes-a-mano")),
    foreign="tensores",
    own=_OWN,
)
