"""Files beside the notebook: those handed in, and those that cells make."""

from typing import Final

from tests.conformance.model import STAYS_INSIDE, Case, code

CASES: Final = (
    Case(
        "read-a-csv",
        "Files beside the notebook are there to read.",
        (
            code("""
                import csv
                with open('data.csv', newline='', encoding='utf-8') as file:
                    rows = list(csv.DictReader(file))
                rows
            """),
            "sum(float(row['value']) for row in rows)",
            "import numpy as np\nnp.loadtxt('data.csv', delimiter=',', skiprows=1, usecols=1)",
        ),
        files={"data.csv": "name,value\nañil,1.5\nb,2\n".encode()},
    ),
    Case(
        "import-a-helper",
        "Modules and packages beside the notebook can be imported, and their errors read.",
        (
            "import helper\nhelper.double(4)",
            "from package.inner import NAME\nNAME",
            "helper.fail()",
            "import broken",
            "helper.__name__, helper.__file__.endswith('helper.py')",
            "import importlib\nimportlib.reload(helper).double(1)",
            "import os, sys\n'' in sys.path or os.getcwd() in sys.path",
        ),
        files={
            "helper.py": b"def double(x):\n    return 2 * x\n\n\ndef fail():\n    return [][1]\n",
            "package/__init__.py": b"",
            "package/inner.py": b"NAME = __name__\n",
            "broken.py": b"def (:\n",
        },
    ),
    Case(
        "folders",
        "Subfolders, binary files and names that are not ASCII.",
        (
            "from pathlib import Path\nsorted(p.as_posix() for p in Path('.').rglob('*'))",
            "Path('data/raw.bin').read_bytes()",
            "Path('año ñ/léeme 漢.txt').read_text(encoding='utf-8')",
            "Path('empty').stat().st_size, Path('data').is_dir(), Path('missing').exists()",
            "import os\nsorted(os.listdir('data'))",
            "import glob\nglob.glob('*/*.bin')",
        ),
        files={
            "data/raw.bin": bytes(range(256)),
            "data/deep/er/x.txt": b"deep",
            "año ñ/léeme 漢.txt": "Hola, ñandú".encode(),
            "empty": b"",
        },
    ),
    Case(
        "write-files",
        "What a cell writes, later cells read.",
        (
            "with open('made.txt', 'w') as file:\n    file.write('made')",
            "open('made.txt').read()",
            "import os\nos.makedirs('sub/folder')\nopen('sub/folder/x', 'wb').write(b'x' * 10)",
            "open('given.txt', 'a').write('more')\nopen('given.txt').read()",
            "os.remove('given.txt')\nos.path.exists('given.txt')",
            "os.rename('made.txt', 'renamed.txt')\nsorted(os.listdir())",
        ),
        differs=STAYS_INSIDE,
        files={"given.txt": b"given "},
    ),
    Case(
        "libraries-that-write",
        "Libraries write and read files.",
        (
            code("""
                import json, pickle, sqlite3
                import numpy as np
                import torch
                json.dump({'a': 1}, open('a.json', 'w'))
                np.save('a.npy', np.arange(3))
                torch.save(torch.ones(2), 'a.pt')
                pickle.dump([1], open('a.pickle', 'wb'))
                with sqlite3.connect('a.db') as base:
                    base.execute('create table t (x)')
                    base.execute('insert into t values (5)')
            """),
            "np.load('a.npy'), torch.load('a.pt')",
            "sqlite3.connect('a.db').execute('select x from t').fetchall()",
        ),
        differs=STAYS_INSIDE,
    ),
    Case(
        "temporary-files",
        "tempfile works.",
        (
            code("""
                import os, tempfile
                with tempfile.NamedTemporaryFile('w+', suffix='.txt') as file:
                    file.write('text')
                    file.seek(0)
                    print(file.read(), os.path.exists(file.name))
                print(os.path.exists(file.name))
                with tempfile.TemporaryDirectory() as folder:
                    open(os.path.join(folder, 'a'), 'w').close()
                    print(os.listdir(folder))
            """),
        ),
    ),
    Case(
        "folder-changed",
        "Changing the folder lasts.",
        (
            "import os\nos.chdir('data')\nos.listdir()",
            "os.path.basename(os.getcwd())",
            "os.chdir('..')\nsorted(os.listdir())",
            "%cd -q data\nos.path.basename(os.getcwd())",
        ),
        files={"data/x.txt": b"", "y.txt": b""},
    ),
)
