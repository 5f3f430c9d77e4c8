"""What cells display: objects of IPython.display, own representations, figures, clearing."""

from typing import Final

from tests.conformance.model import STAYS_INSIDE, Case, code

PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
"""A PNG of one pixel."""

CASES: Final = (
    Case(
        "display",
        "display shows one object or several, in order.",
        (
            "from IPython.display import display\ndisplay(1)",
            "display('a', [1, 2], {'k': None})",
            "display()",
            "display('x', metadata={'own': 1})",
            "display({'text/plain': 'raw', 'text/html': '<i>raw</i>'}, raw=True)",
            "display('only plain', include=['text/plain'])",
        ),
    ),
    Case(
        "display-id",
        "A display with an id is updated in its own cell and from a later one.",
        (
            code("""
                from IPython.display import display, update_display
                display('first', display_id='one')
                print('between')
                update_display('second', display_id='one')
            """),
            "update_display('third, from another cell', display_id='one')",
            "handle = display('by handle', display_id='two')\nhandle.update('by handle, updated')",
            "handle.display('again')\nhandle.update('both')",
            "update_display('nobody', display_id='unknown')",
            "type(handle).__name__, handle.display_id",
            "made = display('x', display_id=True)",
            "made.update('y')\nlen(made.display_id)",
            code("""
                from IPython.display import ProgressBar
                for number in ProgressBar(3):
                    pass
            """),
        ),
    ),
    Case(
        "clear-output",
        "clear_output empties the cell.",
        (
            code("""
                from IPython.display import clear_output, display
                print('gone')
                display('gone')
                clear_output()
                print('stays')
            """),
            "display('gone')\nclear_output()",
            "clear_output()\nprint('a')",
        ),
    ),
    Case(
        "clear-output-and-wait",
        "clear_output(wait=True) empties the cell when something new comes.",
        (
            code("""
                from IPython.display import clear_output, display
                for number in range(3):
                    clear_output(wait=True)
                    print('step', number)
            """),
            "print('stays')\nclear_output(wait=True)",
            "display('gone')\nclear_output(wait=True)\ndisplay('new')\n'result'",
            "print('gone')\nclear_output(wait=True)\n1 / 0",
        ),
    ),
    Case(
        "clear-output-and-ids",
        "A display that was cleared is not updated; one shown after is.",
        (
            code("""
                from IPython.display import clear_output, display, update_display
                display('gone', display_id='x')
                clear_output()
                display('here', display_id='y')
                update_display('updated', display_id='y')
                update_display('nowhere', display_id='x')
            """),
        ),
    ),
    Case(
        "html-and-text",
        "Texts that are rendered: HTML, Markdown, LaTeX, JSON, SVG, JavaScript and others.",
        (
            "from IPython import display as d\nd.HTML('<b>bold</b>')",
            "d.Markdown('**bold**')",
            "d.Latex(r'$\\alpha$')",
            "d.Math(r'x^2')",
            "d.JSON({'a': [1, {'b': None}], 'ñ': 1.5}, expanded=True)",
            'd.SVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="1"></svg>\')',
            "d.Javascript('alert(1)', lib=['a.js'])",
            "d.Pretty('pretty')",
            "d.Code('x = 1', language='python')",
            "d.IFrame('https://example.com', width=10, height=20)",
            "d.GeoJSON({'type': 'Point', 'coordinates': [1, 2]})",
            "d.display(d.HTML('<b>shown</b>'), d.Markdown('*too*'))",
            code("""
                rows = [('a', 1), ('b', 2.5)]
                for name, value in rows:
                    print(f'{name:>5} | {value:6.2f}')
                d.HTML('<table>' + ''.join(f'<tr><td>{n}<td>{v}' for n, v in rows) + '</table>')
            """),
        ),
    ),
    Case(
        "images",
        "Images are base64, with their sizes as metadata.",
        (
            "from IPython.display import Image\nImage('pixel.png')",
            "Image('pixel.png', width=10, height=20)",
            "data = open('pixel.png', 'rb').read()\nImage(data=data, unconfined=True, alt='dot')",
            "Image(url='https://example.com/a.png', width=5)",
            "Image('missing.png')",
            "import PIL.Image\nPIL.Image.new('RGB', (2, 2), 'red')",
        ),
        files={"pixel.png": PIXEL},
    ),
    Case(
        "sounds-and-links",
        "Audio, videos and links to files.",
        (
            "from IPython.display import Audio, FileLink, Video",
            "Audio([0.0, 1.0, 0.0, -1.0], rate=8000)",
            "FileLink('pixel.png')",
            "Video('https://example.com/a.mp4')",
        ),
        files={"pixel.png": PIXEL},
    ),
    Case(
        "own-representations",
        "The _repr_*_ methods of a student's classes are asked.",
        (
            code("""
                class Rich:
                    def __repr__(self):
                        return 'plain'
                    def _repr_html_(self):
                        return '<b>html</b>'
                    def _repr_markdown_(self):
                        return '**markdown**', {'meta': 1}
                    def _repr_latex_(self):
                        return None
                    def _repr_png_(self):
                        return b'no png, but bytes'
                    def _repr_json_(self):
                        return {'a': 1}
                Rich()
            """),
            "display(Rich())",
            "[Rich(), Rich()]",
        ),
    ),
    Case(
        "own-bundle",
        "_repr_mimebundle_ gives all at once, and _ipython_display_ does all by itself.",
        (
            code("""
                class Bundle:
                    def _repr_mimebundle_(self, include=None, exclude=None):
                        return {'text/plain': 'b', 'application/own+json': {'n': 1}}, {'m': 1}
                Bundle()
            """),
            code("""
                class Shown:
                    def _ipython_display_(self):
                        print('shown by itself')
                Shown()
            """),
            "display(Shown(), Bundle())",
            "_",
        ),
    ),
    Case(
        "bundle-that-is-no-notebook",
        "A bundle that nbformat does not take ends the run.",
        (
            "from IPython.display import publish_display_data",
            "publish_display_data({'application/x-own': {'n': 1}})",
            "print('not run by nbgrader')",
        ),
        differs={
            f"{place}, *": "what nbformat refuses is shown as text: one display ends no run"
            for place in ("cell 2", "cell 3", "notebook")
        },
    ),
    Case(
        "broken-representations",
        "A representation that raises is shown as an error, and the others are asked still.",
        (
            code("""
                class Broken:
                    def __repr__(self):
                        return 'plain'
                    def _repr_html_(self):
                        raise ValueError('no html')
                Broken()
            """),
            code("""
                class Wrong:
                    def __repr__(self):
                        return 'plain'
                    def _repr_html_(self):
                        return 5
                Wrong()
            """),
        ),
    ),
    Case(
        "published",
        "publish_display_data takes any MIME type.",
        (
            code("""
                from IPython.display import publish_display_data
                publish_display_data({'text/plain': 'p', 'application/x-own+json': {'a': [1]}})
            """),
            "publish_display_data({'text/plain': 'p'}, {'text/plain': {'m': 1}})",
            "publish_display_data({'image/png': b'bytes'})",
            "publish_display_data('no bundle')",
        ),
    ),
    Case(
        "own-formatter",
        "A formatter that a cell registers is used for what follows.",
        (
            code("""
                class Mine:
                    pass
                html = get_ipython().display_formatter.formatters['text/html']
                html.for_type(Mine, lambda mine: '<i>mine</i>')
                plain = get_ipython().display_formatter.formatters['text/plain']
                plain.for_type(Mine, lambda mine, printer, cycle: printer.text('mine'))
            """),
            "Mine()",
            "plain.for_type(float, lambda x, p, c: p.text(f'{x:.2f}'))\n3.14159",
        ),
    ),
    Case(
        "figures",
        "A figure is shown, as a PNG with its text, by plt.show or else at the end of the cell.",
        (
            code("""
                import matplotlib.pyplot as plt
                plt.plot([0, 1, 2], [1, 3, 2], label='f')
                plt.title('Título')
                plt.legend();
            """),
            "plt.plot([1, 2])",
            code("""
                print('first')
                plt.plot([0, 1])
                plt.show()
                print('second')
                plt.bar([1, 2], [3, 4])
                plt.show()
                print('end')
            """),
            "plt.figure(figsize=(2, 1))\nplt.figure(figsize=(1, 1))\nplt.show()",
            "plt.show()",
        ),
    ),
    Case(
        "figure-objects",
        "A figure that is a cell's result, is displayed, closed or saved.",
        (
            code("""
                import matplotlib.pyplot as plt
                figure, axes = plt.subplots(1, 2, figsize=(3, 1))
                axes[0].imshow([[0, 1], [1, 0]])
                figure
            """),
            "from IPython.display import display\ndisplay(figure)",
            "plt.plot([1])\nplt.close()",
            "figure.savefig('figure.png')\nimport os\nos.path.getsize('figure.png') > 0",
            "plt.get_backend()",
            "plt.plot([1, 2])\n1 / 0",
        ),
        differs=STAYS_INSIDE,
    ),
    Case(
        "figures-as-svg",
        "The format of figures can be set.",
        (
            code("""
                %config InlineBackend.figure_formats = ['svg']
                import matplotlib.pyplot as plt
                plt.rcParams['svg.hashsalt'] = 'same'
                plt.figure(figsize=(1, 1))
                plt.axis('off')
                plt.plot([0, 1]);
            """),
            "%config InlineBackend.close_figures = False\nplt.plot([1, 0]);",
            "plt.get_fignums()",
        ),
        chance={r"<dc:date>[^<]*</dc:date>": "<dc:date/>"},
    ),
    Case(
        "numpy-and-torch",
        "Arrays and tensors are printed and shown alike.",
        (
            "import numpy as np\nimport torch\nnp.arange(6).reshape(2, 3)",
            "np.float64(0.1), np.array([1.5, np.nan])",
            "np.set_printoptions(precision=2)\nnp.array([3.14159])",
            "torch.arange(4.0).reshape(2, 2)",
            "w = torch.ones(2, requires_grad=True)\n(w * 2).sum()",
            "print(w, torch.zeros(1000))",
            "torch.manual_seed(0)\ntorch.rand(2)",
            "np.random.seed(0)\nnp.random.rand(2)",
            "torch.nn.Linear(2, 3)",
            "np.arange(10_000)",
        ),
    ),
    Case(
        "sympy",
        "sympy's results are LaTeX.",
        ("import sympy\nx = sympy.Symbol('x')\nsympy.init_printing()\nx ** 2 / 2", "[x, x + 1]"),
    ),
)
