"""Submissions of ``optimizacion``."""

from typing import Final

from tests.sample_class.common import Perfect, Plan, changed
from tests.sample_class.model import Answers, Case, code
from tests.sample_class.spoil import extra_cell

_A: Final = "optimizacion"


def _answers(derivada: str, grafica: str, derivada_general: str, descenso: str) -> Answers:
    return {
        "optimizacion-derivada": code(derivada),
        "optimizacion-grafica": code(grafica),
        "optimizacion-derivada-general": code(derivada_general),
        "optimizacion-descenso": code(descenso),
    }


PLAIN: Final = _answers(
    derivada="""
    x = torch.linspace(-4, 4, 21, requires_grad=True)
    Y = 5 * x ** 2
    y = torch.sum(Y)
    y.backward()
    """,
    grafica="""
    plt.plot(x.detach().numpy(), Y.detach().numpy(), label="función")
    plt.plot(x.detach().numpy(), x.grad.numpy(), label="derivada")
    plt.xlabel("x")
    plt.legend()
    plt.grid(True)
    plt.show()
    """,
    derivada_general="""
    def derivative(f, x):
        x = x.detach().clone().requires_grad_(True)
        return torch.autograd.grad(f(x).sum(), x)[0]
    """,
    descenso="""
    def minimize(f, x0, lr, steps):
        x = 1.0 * torch.as_tensor(x0).detach()
        recorrido = [x]
        for _ in range(steps):
            x = x.detach().requires_grad_(True)
            pendiente, = torch.autograd.grad(f(x), x)
            x = (x - lr * pendiente).detach()
            recorrido.append(x)
        return torch.stack(recorrido)
    """,
)

_AXES: Final = _answers(
    derivada="""
    x = torch.linspace(-4, 4, steps=21).requires_grad_()
    Y = 5 * x.pow(2)
    y = Y.sum()
    x.grad, = torch.autograd.grad(y, x)
    """,
    grafica="""
    fig, ax = plt.subplots(figsize=(6, 4))
    ax.plot(x.tolist(), x.grad.tolist(), "g--", label="$f'(x)$")
    ax.plot(x.tolist(), Y.tolist(), "r-", label="$f(x)$")
    ax.set(xlabel="x", ylabel="y", title="Una función y su derivada")
    ax.grid()
    ax.legend(loc="upper center")
    """,
    derivada_general="""
    derivative = lambda f, x: torch.func.vjp(f, x.detach())[1](torch.ones_like(f(x.detach())))[0]
    """,
    descenso="""
    def minimize(f, x0, lr, steps):
        x = torch.tensor(float(x0), requires_grad=True)
        optimizador = torch.optim.SGD([x], lr=lr)
        valores = [x.item()]
        for paso in range(steps):
            optimizador.zero_grad()
            f(x).backward()
            optimizador.step()
            valores.append(x.item())
        return torch.tensor(valores)
    """,
)

_CLASSES: Final = _answers(
    derivada="""
    class Parabola:
        def __init__(self, a):
            self.a = a

        def __call__(self, x):
            return self.a * x * x

    x = torch.tensor([-4 + 0.4 * i for i in range(21)], requires_grad=True)
    Y = Parabola(5)(x)
    y = Y.sum()
    y.backward(retain_graph=True)
    """,
    grafica="""
    datos = {"y = 5x²": Y, "y' = 10x": x.grad}
    figura = plt.figure()
    ejes = figura.add_subplot(1, 1, 1)
    for nombre, valores in datos.items():
        linea, = ejes.plot(x.detach(), valores.detach())
        linea.set_label(nombre)
    ejes.set_xlabel("valores de x")
    ejes.legend()
    ejes.grid(True, alpha=0.5)
    plt.show()
    plt.close(figura)
    """,
    derivada_general="""
    class Derivada:
        def __call__(self, f, x):
            copia = torch.nn.Parameter(x.detach().clone())
            f(copia).backward(torch.ones_like(copia))
            return copia.grad

    derivative = Derivada()
    """,
    descenso="""
    class Descenso:
        def __init__(self, f, lr):
            self.f, self.lr = f, lr

        def paso(self, x):
            x = torch.nn.Parameter(x.clone())
            self.f(x).backward()
            return x.data - self.lr * x.grad

        def recorrer(self, x, steps):
            valores = torch.empty(steps + 1, dtype=x.dtype)
            valores[0] = x
            for i in range(steps):
                valores[i + 1] = self.paso(valores[i])
            return valores

    def minimize(f, x0, lr, steps):
        x0 = x0.detach() if isinstance(x0, torch.Tensor) else torch.tensor(float(x0))
        return Descenso(f, lr).recorrer(x0, steps)
    """,
)

_HELPERS: Final = _answers(
    derivada="""
    x = (torch.arange(21) * 0.4 - 4).requires_grad_()
    Y = parabola(x)
    y = torch.sum(Y)
    y.backward()
    print(x.grad)
    """,
    grafica="""
    eje_x = x.detach().numpy()
    plt.figure(figsize=(5, 3))
    plt.plot(eje_x, parabola(eje_x), "o-", eje_x, 10 * eje_x, "x:")
    lineas = plt.gca().get_lines()
    lineas[0].set_label("función")
    lineas[1].set_label("derivada")
    plt.axhline(0, color="black", linewidth=0.5)
    plt.title("5x² y 10x")
    plt.xlabel("$x$")
    plt.grid()
    plt.legend()
    plt.savefig("grafica.png")
    plt.close("all")
    """,
    derivada_general="""
    def derivative(f, x):
        with torch.enable_grad():
            hoja = torch.empty_like(x, requires_grad=True)
            with torch.no_grad():
                hoja.copy_(x)
            total = torch.sum(f(hoja))
            total.backward()
        return hoja.grad.clone()
    """,
    descenso="""
    def minimize(f, x0, lr, steps):
        x0 = torch.as_tensor(x0).detach().float()
        if steps == 0:
            return x0.reshape(1).clone()
        siguiente = x0 - lr * derivative(f, x0)
        return torch.cat([x0.reshape(1), minimize(f, siguiente, lr, steps - 1)])
    """,
)

_VMAP: Final = _answers(
    derivada="""
    import numpy as np

    x = torch.from_numpy(np.linspace(-4, 4, 21, dtype=np.float32)).requires_grad_(True)
    f = lambda t: 5 * torch.square(t)
    Y = f(x)
    y = torch.einsum("i->", Y)
    Y.backward(torch.ones(21))
    """,
    grafica="""
    fig, (ax, otro) = plt.subplots(1, 2)
    otro.plot([0, 1], [0, 1])
    ax.plot(x.data, Y.data, label="f", linewidth=2)
    ax.plot(x.data, x.grad, label="df/dx", linewidth=2)
    ax.legend()
    ax.set_xlabel("eje x")
    ax.xaxis.grid(True)
    ax.yaxis.grid(True)
    """,
    derivada_general="""
    def derivative(f, x):
        pendientes = torch.func.vmap(torch.func.grad(f))(x.detach().reshape(-1))
        return pendientes.reshape(x.shape)
    """,
    descenso="""
    def recorrido(f, x, lr):
        while True:
            yield x
            x = x - lr * derivative(f, x)

    def minimize(f, x0, lr, steps):
        inicio = torch.as_tensor(x0, dtype=torch.float32).detach()
        camino = recorrido(f, inicio, lr)
        return torch.stack([next(camino) for _ in range(steps + 1)])
    """,
)


def _but(**changes: str) -> Answers:
    return changed(_A, PLAIN, **{name: code(source) for name, source in changes.items()})


def _without(*grade_ids: str) -> Answers:
    return {grade_id: answer for grade_id, answer in PLAIN.items() if grade_id not in grade_ids}


def _replaced(grade_id: str, old: str, new: str) -> Answers:
    """The base answers with a piece of one of them replaced."""
    answer = PLAIN[grade_id]
    if old not in answer:
        raise ValueError(f"{grade_id} has no {old!r}")
    return {**PLAIN, grade_id: answer.replace(old, new)}


_DRAWN: Final = code(
    """
    t = np.linspace(-4, 4, 21)
    plt.plot(t, 5 * t ** 2, label="función")
    plt.plot(t, 10 * t, label="derivada")
    plt.xlabel("x")
    plt.legend()
    plt.grid()
    """
)
"""A right figure that does not need the exercise before."""

_OWN: Final = (
    # --- optimizacion-derivada
    Case(
        "x-sin-gradiente",
        _A,
        "x does not require grad: Y and y are right, backward raises; the figure is drawn from "
        "formulas.",
        {
            **_replaced("optimizacion-derivada", ", requires_grad=True", ""),
            "optimizacion-grafica": "import numpy as np\n\n" + _DRAWN,
        },
        expected={"optimizacion-derivada": 3},
    ),
    Case(
        "requires-grad-tarde",
        _A,
        "requires_grad is set after the operation: x, Y and y are right, backward raises; the "
        "figure is drawn from formulas.",
        {
            **_but(
                derivada="""
                x = torch.linspace(-4, 4, 21)
                Y = 5 * x ** 2
                y = Y.sum()
                x.requires_grad_()
                y.backward()
                """
            ),
            "optimizacion-grafica": "import numpy as np\n\n" + _DRAWN,
        },
        expected={"optimizacion-derivada": 4},
    ),
    Case(
        "media-por-suma",
        _A,
        "Mean for sum: y and the derivative are wrong; so is the line of the derivative, which "
        "leaves no axes with both lines.",
        _replaced("optimizacion-derivada", "torch.sum(Y)", "torch.mean(Y)"),
        expected={"optimizacion-derivada": 2, "optimizacion-grafica": 2},
    ),
    Case(
        "backward-dos-veces",
        _A,
        "Backpropagates twice: the derivative is doubled; the figure is drawn from formulas.",
        {
            **_replaced(
                "optimizacion-derivada",
                "y.backward()",
                "y.backward(retain_graph=True)\ny.backward()",
            ),
            "optimizacion-grafica": "import numpy as np\n\n" + _DRAWN,
        },
        expected={"optimizacion-derivada": 4},
    ),
    Case(
        "sin-backward",
        _A,
        "backward is forgotten, so there is no derivative to draw: the line of the function "
        "stands alone.",
        _replaced("optimizacion-derivada", "y.backward()", ""),
        expected={"optimizacion-derivada": 4, "optimizacion-grafica": 2},
    ),
    Case(
        "detach-antes-de-tiempo",
        _A,
        "x is detached in the function: its values are right, backward raises; the figure is "
        "drawn from formulas.",
        {
            **_replaced("optimizacion-derivada", "5 * x ** 2", "5 * x.detach() ** 2"),
            "optimizacion-grafica": "import numpy as np\n\n" + _DRAWN,
        },
        expected={"optimizacion-derivada": 4},
    ),
    Case(
        "derivada-de-otra-variable",
        _A,
        "The gradient with respect to Y, not to x; the figure is drawn from formulas.",
        {
            **_replaced(
                "optimizacion-derivada", "y.backward()", "x.grad = torch.autograd.grad(y, Y)[0]"
            ),
            "optimizacion-grafica": "import numpy as np\n\n" + _DRAWN,
        },
        expected={"optimizacion-derivada": 4},
    ),
    Case(
        "derivada-a-mano",
        _A,
        "The derivative typed by hand, with a wrong sign on the left; the figure is drawn from "
        "formulas.",
        {
            **_replaced(
                "optimizacion-derivada",
                "y.backward()",
                "x.grad = torch.tensor([abs(4.0 * i - 40) for i in range(21)])",
            ),
            "optimizacion-grafica": "import numpy as np\n\n" + _DRAWN,
        },
        expected={"optimizacion-derivada": 4},
    ),
    Case(
        "solo-x",
        _A,
        "Only x: nothing to draw either.",
        _but(derivada="x = torch.linspace(-4, 4, 21, requires_grad=True)"),
        expected={"optimizacion-derivada": 1, "optimizacion-grafica": 0},
    ),
    # --- optimizacion-grafica
    Case(
        "grafica-otra-derivada",
        _A,
        "The derivative of x² instead of 5x²: only the function's line is there, so no axes hold "
        "both lines.",
        _replaced("optimizacion-grafica", "x.grad.numpy()", "2 * x.detach().numpy()"),
        expected={"optimizacion-grafica": 2},
    ),
    Case(
        "grafica-sin-leyenda",
        _A,
        "No legend.",
        _replaced("optimizacion-grafica", "plt.legend()\n", ""),
        expected={"optimizacion-grafica": 5},
    ),
    Case(
        "grafica-sin-nombres",
        _A,
        "The lines have no labels, so the legend is empty.",
        _but(
            grafica="""
            plt.plot(x.detach().numpy(), Y.detach().numpy())
            plt.plot(x.detach().numpy(), x.grad.numpy())
            plt.xlabel("x")
            plt.legend()
            plt.grid()
            """
        ),
        expected={"optimizacion-grafica": 5},
    ),
    Case(
        "grafica-sin-rejilla",
        _A,
        "No grid.",
        _replaced("optimizacion-grafica", "plt.grid(True)\n", ""),
        expected={"optimizacion-grafica": 5},
    ),
    Case(
        "grafica-sin-eje",
        _A,
        "No x label.",
        _replaced("optimizacion-grafica", 'plt.xlabel("x")\n', ""),
        expected={"optimizacion-grafica": 5},
    ),
    Case(
        "grafica-solo-funcion",
        _A,
        "The function alone: no axes hold both lines.",
        _but(
            grafica="""
            plt.plot(x.detach().numpy(), Y.detach().numpy(), label="función")
            plt.xlabel("x")
            plt.legend()
            plt.grid(True)
            """
        ),
        expected={"optimizacion-grafica": 2},
    ),
    Case(
        "grafica-en-dos",
        _A,
        "Each line in axes of its own, without labels and legend: no axes hold both.",
        _but(
            grafica="""
            fig, (arriba, abajo) = plt.subplots(2, 1)
            arriba.plot(x.detach(), Y.detach())
            abajo.plot(x.detach(), x.grad)
            arriba.grid()
            abajo.grid()
            abajo.set_xlabel("x")
            """
        ),
        expected={"optimizacion-grafica": 4},
    ),
    Case(
        "grafica-de-puntos",
        _A,
        "Points without lines.",
        _but(
            grafica="""
            plt.scatter(x.detach().numpy(), Y.detach().numpy())
            plt.scatter(x.detach().numpy(), x.grad.numpy())
            """
        ),
        expected={"optimizacion-grafica": 0},
    ),
    Case(
        "grafica-sin-x",
        _A,
        "Drawn over the index, not over x, and nothing else.",
        _but(grafica="plt.plot(Y.detach().numpy())\nplt.plot(x.grad.numpy())"),
        expected={"optimizacion-grafica": 0},
    ),
    Case(
        "grafica-sin-detach",
        _A,
        "numpy() refuses a tensor that requires grad: nothing is drawn.",
        _but(grafica='plt.plot(x.numpy(), Y.numpy(), label="función")\nplt.legend()'),
        expected={"optimizacion-grafica": 0},
    ),
    # --- optimizacion-derivada-general
    Case(
        "general-media",
        _A,
        "Mean for sum: the derivative is too small.",
        _replaced("optimizacion-derivada-general", ".sum()", ".mean()"),
        expected={"optimizacion-derivada-general": 0},
    ),
    Case(
        "general-sin-suma",
        _A,
        "backward of something that is no scalar raises.",
        _replaced("optimizacion-derivada-general", ".sum()", ""),
        expected={"optimizacion-derivada-general": 0},
    ),
    Case(
        "general-de-la-parabola",
        _A,
        "Always the derivative of 5x².",
        _but(derivada_general="def derivative(f, x):\n    return 10 * x.detach()"),
        expected={"optimizacion-derivada-general": 0},
    ),
    Case(
        "general-detach",
        _A,
        "Detaches what f returns: there is no graph.",
        _replaced("optimizacion-derivada-general", "f(x).sum()", "f(x).detach().sum()"),
        expected={"optimizacion-derivada-general": 0},
    ),
    Case(
        "general-funcion",
        _A,
        "Returns the function's values.",
        _but(derivada_general="def derivative(f, x):\n    return f(x.detach())"),
        expected={"optimizacion-derivada-general": 0},
    ),
    Case(
        "general-cambia-x",
        _A,
        "Differentiates x itself: right results, but x is changed.",
        _but(
            derivada_general="""
            def derivative(f, x):
                x.requires_grad_(True)
                x.grad = None
                f(x).sum().backward()
                return x.grad
            """
        ),
        expected={"optimizacion-derivada-general": 5},
    ),
    # --- optimizacion-descenso
    Case(
        "descenso-hacia-arriba",
        _A,
        "The sign is wrong: it climbs.",
        _replaced("optimizacion-descenso", "x - lr", "x + lr"),
        expected={"optimizacion-descenso": 2},
    ),
    Case(
        "descenso-solo-final",
        _A,
        "Returns the last value only.",
        _replaced("optimizacion-descenso", "torch.stack(recorrido)", "recorrido[-1]"),
        expected={"optimizacion-descenso": 0},
    ),
    Case(
        "descenso-sin-inicio",
        _A,
        "x0 is missing from the iterates.",
        _replaced("optimizacion-descenso", "recorrido = [x]", "recorrido = []"),
        expected={"optimizacion-descenso": 0},
    ),
    Case(
        "descenso-un-paso-de-mas",
        _A,
        "One step too many.",
        _replaced("optimizacion-descenso", "range(steps)", "range(steps + 1)"),
        expected={"optimizacion-descenso": 0},
    ),
    Case(
        "descenso-quieto",
        _A,
        "Never moves: steps + 1 times x0.",
        _but(
            descenso="""
            def minimize(f, x0, lr, steps):
                return torch.full((steps + 1,), float(x0))
            """
        ),
        expected={"optimizacion-descenso": 0},
    ),
    Case(
        "descenso-acumula",
        _A,
        "The gradients of all steps add up.",
        _but(
            descenso="""
            def minimize(f, x0, lr, steps):
                x = torch.tensor(float(x0), requires_grad=True)
                valores = [x.item()]
                for _ in range(steps):
                    f(x).backward()
                    with torch.no_grad():
                        x -= lr * x.grad
                    valores.append(x.item())
                return torch.tensor(valores)
            """
        ),
        expected={"optimizacion-descenso": 2},
    ),
    Case(
        "descenso-sin-tasa",
        _A,
        "Forgets lr.",
        _replaced("optimizacion-descenso", "lr * pendiente", "pendiente"),
        expected={"optimizacion-descenso": 2},
    ),
    Case(
        "descenso-lista",
        _A,
        "A list of numbers, no tensor.",
        _replaced(
            "optimizacion-descenso", "torch.stack(recorrido)", "[v.item() for v in recorrido]"
        ),
        expected={"optimizacion-descenso": 0},
    ),
    Case(
        "descenso-mismo-objeto",
        _A,
        "Keeps the same tensor again and again: every value is the last one.",
        _but(
            descenso="""
            def minimize(f, x0, lr, steps):
                x = torch.tensor(float(x0), requires_grad=True)
                valores = [x.data]
                for _ in range(steps):
                    pendiente, = torch.autograd.grad(f(x), x)
                    x.data -= lr * pendiente
                    valores.append(x.data)
                return torch.stack(valores)
            """
        ),
        expected={"optimizacion-descenso": 0},
    ),
    Case(
        "descenso-cambia-x0",
        _A,
        "Moves x0 itself: right iterates, but x0 is changed.",
        _but(
            descenso="""
            def minimize(f, x0, lr, steps):
                valores = [float(x0)]
                for _ in range(steps):
                    x0.requires_grad_(True)
                    pendiente, = torch.autograd.grad(f(x0), x0)
                    x0.requires_grad_(False)
                    x0 -= lr * pendiente
                    valores.append(float(x0))
                return torch.tensor(valores)
            """
        ),
        expected={"optimizacion-descenso": 5},
    ),
    # --- several exercises
    Case(
        "solo-funciones",
        _A,
        "Only the two functions.",
        _without("optimizacion-derivada", "optimizacion-grafica"),
        expected={"optimizacion-derivada": 0, "optimizacion-grafica": 0},
    ),
    Case(
        "un-poco-de-todo",
        _A,
        "Something is missing in each exercise.",
        {
            "optimizacion-derivada": code(
                """
                x = torch.linspace(-4, 4, 21, requires_grad=True)
                Y = 5 * x ** 2
                """
            ),
            "optimizacion-grafica": code(
                """
                plt.plot(x.detach().numpy(), Y.detach().numpy())
                plt.plot(x.detach().numpy(), 10 * x.detach().numpy())
                """
            ),
            "optimizacion-derivada-general": code(
                """
                def derivative(f, x):
                    x.requires_grad_(True)
                    x.grad = None
                    f(x).sum().backward()
                    return x.grad
                """
            ),
            "optimizacion-descenso": PLAIN["optimizacion-descenso"].replace("- lr", "+ lr"),
        },
        expected={
            "optimizacion-derivada": 2,
            "optimizacion-grafica": 4,
            "optimizacion-derivada-general": 5,
            "optimizacion-descenso": 2,
        },
    ),
)

PLAN: Final = Plan(
    assignment=_A,
    perfect=(
        Perfect("As the lesson shows it: plt.*, backward.", PLAIN),
        Perfect("Axes, autograd.grad, a lambda with torch.func.vjp, torch.optim.SGD.", _AXES),
        Perfect("Classes, lines labelled later, a figure that is closed.", _CLASSES),
        Perfect(
            "A helper function in a cell of its own, both lines in one call, recursion.",
            _HELPERS,
            (extra_cell("optimizacion-derivada", "def parabola(t):\n    return 5 * t ** 2", "f"),),
        ),
        Perfect("NumPy points, vmap of grad, a generator, a second pair of axes.", _VMAP),
    ),
    broken={
        "error-de-sintaxis": "optimizacion-grafica",
        "bucle-infinito": "optimizacion-grafica",
        "salida-sin-fin": "optimizacion-derivada",
        "memoria-sin-fin": "optimizacion-derivada-general",
        "sale-del-programa": "optimizacion-descenso",
        "pregunta-al-usuario": "optimizacion-derivada-general",
    },
    endless=(
        "optimizacion-descenso",
        code(
            """
            def minimize(f, x0, lr, steps):
                valores = []
                while len(valores) <= steps or valores:
                    valores = [x0]
                return torch.stack(valores)
            """
        ),
    ),
    takes_along={"optimizacion-derivada": ("optimizacion-grafica",)},
    first_cell_survivors=(),
    import_again=(
        "optimizacion-derivada-general",
        ("optimizacion-derivada-general", "optimizacion-descenso"),
    ),
    foreign="dispositivos",
    own=_OWN,
)
