"""Small whole programs, written the way that PyTorch's tutorials teach to use a device.

Each program is given a device, works there and says what it has made and where that must be. None
of them knows of the emulation. A program draws random numbers on the CPU first (weights, data) and
on the device later, with a seed of its own before it: the CPU has one sequence for both, so only
then can both devices draw the same numbers.
"""

import copy
import io
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, parametrizations
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, TensorDataset

Loader = DataLoader[tuple[Tensor, ...]]


@dataclass(frozen=True)
class Outcome:
    """What a program has made: tensors, models, optimizers and numbers by name."""

    there: Mapping[str, object]
    """What must be on the program's device."""
    here: Mapping[str, object] = field(default_factory=dict)
    """What must be on the CPU, whatever the device."""


Program = Callable[[torch.device], Outcome]
PROGRAMS: Final[dict[str, Program]] = {}
"""All programs by name."""


def program(function: Program) -> Program:
    """Make a function one of the programs."""
    PROGRAMS[function.__name__] = function
    return function


# Data ---------------------------------------------------------------------------------------------


def blobs(count: int = 48, features: int = 4, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Points around a centre for each class, and their classes."""
    drawn = torch.Generator().manual_seed(11)
    labels = torch.arange(count) % classes
    centres = 3 * torch.randn(classes, features, generator=drawn)
    return centres[labels] + torch.randn(count, features, generator=drawn), labels


def pictures(count: int = 24, channels: int = 1, side: int = 8) -> tuple[Tensor, Tensor]:
    """Noisy pictures with one bright row, and the number of that row."""
    drawn = torch.Generator().manual_seed(12)
    rows = torch.arange(count) % side
    noise = 0.2 * torch.randn(count, channels, side, side, generator=drawn)
    noise[torch.arange(count), :, rows] += 1.0
    return noise, rows


def batches(data: tuple[Tensor, ...], size: int = 12, shuffle: bool = False) -> Loader:
    """A loader that leaves the CPU's own random sequence alone."""
    return DataLoader(
        TensorDataset(*data),
        batch_size=size,
        shuffle=shuffle,
        generator=torch.Generator().manual_seed(13),
    )


def perceptron(features: int = 4, classes: int = 3, hidden: int = 8) -> nn.Sequential:
    """A small classifier."""
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes))


# Basics -------------------------------------------------------------------------------------------


@program
def tensors(device: torch.device) -> Outcome:
    """Tensors are made, moved, joined, multiplied and changed in place; NumPy gets a copy."""
    moved = torch.rand(4, 4).to(device)
    moved[:, 1] = 0
    joined = torch.cat([moved, moved * 2], dim=1)
    gram = moved @ moved.T
    into = torch.empty_like(gram)
    torch.matmul(moved, moved.T, out=into)
    total = moved.sum()
    array = moved.cpu().numpy().copy()
    np.add(array, 1, out=array)
    moved.add_(5)
    made = {
        "zeros": torch.zeros(2, 3, device=device),
        "like": torch.ones_like(moved, dtype=torch.float64),
        "data": torch.tensor([[1, 2], [3, 4]], device=device),
        "range": torch.arange(3, device=device),
        "back again": torch.from_numpy(array).to(device),
    }
    views = {"slice": moved[1:, ::2], "turned": moved.t(), "flat": moved.view(-1)}
    return Outcome(
        {"moved": moved, "joined": joined, "gram": gram, "into": into, "total": total}
        | made
        | views,
        {"number": total.item(), "list": gram.tolist(), "copy": moved.cpu()},
    )


@program
def automatic_gradients(device: torch.device) -> Outcome:
    """A one-layer network's gradients, Jacobian products, and a graph that is cut."""
    inputs, expected = torch.ones(5, device=device), torch.zeros(3, device=device)
    weights = torch.randn(5, 3).to(device).requires_grad_()
    bias = torch.randn(3).to(device).requires_grad_()
    logits = inputs @ weights + bias
    loss = F.binary_cross_entropy_with_logits(logits, expected)
    loss.backward()
    with torch.no_grad():
        silent = inputs @ weights + bias
    square = torch.eye(4, 5, device=device).requires_grad_()
    product = (square + 1).pow(2).t()
    product.backward(torch.ones_like(product), retain_graph=True)
    product.backward(torch.ones_like(product))
    logits = inputs @ weights + bias
    (slope,) = torch.autograd.grad(logits.sigmoid().sum(), weights, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.pow(2).sum(), weights)
    assert not silent.requires_grad and not logits.detach().requires_grad
    return Outcome(
        {"weights": weights, "bias": bias, "loss": loss, "silent": silent, "square": square}
        | {"slope": slope, "curvature": curvature, "detached": logits.detach()}
    )


class RowNetwork(nn.Module):
    """A stack of linear layers over flattened pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.stack = nn.Sequential(
            nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits for each picture."""
        logits: Tensor = self.stack(self.flatten(x))
        return logits


def train_epoch(
    loader: Loader,
    model: nn.Module,
    loss_of: nn.Module,
    optimizer: optim.Optimizer,
    device: torch.device,
) -> float:
    """One pass over the data, which is moved batch by batch; the last loss."""
    model.train()
    last = math.nan
    for inputs, labels in loader:
        X, y = inputs.to(device), labels.to(device)
        loss = loss_of(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        last = loss.item()
    return last


def evaluate(
    loader: Loader, model: nn.Module, loss_of: nn.Module, device: torch.device
) -> tuple[float, float]:
    """The share of right answers and the mean loss."""
    model.eval()
    right, loss, count = 0.0, 0.0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            X, y = inputs.to(device), labels.to(device)
            logits = model(X)
            loss += loss_of(logits, y).item()
            right += (logits.argmax(1) == y).type(torch.float).sum().item()
            count += len(y)
    return right / count, loss / len(loader)


@program
def quickstart(device: torch.device) -> Outcome:
    """A model is moved, trained and tested for some epochs, saved, and used by another model."""
    loader = batches(pictures())
    model = RowNetwork().to(device)
    loss_of = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.2)
    losses = [train_epoch(loader, model, loss_of, optimizer, device) for _epoch in range(4)]
    scores = evaluate(loader, model, loss_of, device)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = RowNetwork().to(device)
    again.load_state_dict(torch.load(file, weights_only=True))
    picture, row = pictures(1)
    again.eval()
    with torch.no_grad():
        prediction = again(picture.to(device))
    return Outcome(
        {"model": model, "again": again, "prediction": prediction},
        {"losses": losses, "scores": scores, "row": row, "text": str(prediction[0].argmax(0))[:8]},
    )


@program
def build_the_network(device: torch.device) -> Outcome:
    """Layers one by one, what they give, and a model's parameters."""
    model = RowNetwork().to(device)
    pixels = torch.rand(1, 8, 8).to(device)
    flat = nn.Flatten()(pixels)
    hidden = nn.Linear(64, 20).to(device)(flat)
    chances = nn.Softmax(dim=1)(model(pixels))
    return Outcome(
        {"flat": flat, "hidden": hidden, "active": nn.ReLU()(hidden), "chances": chances}
        | {"predicted": chances.argmax(1), "parameters": dict(model.named_parameters())},
        {"sizes": [list(parameter.size()) for parameter in model.parameters()]},
    )


# Learning with examples: one fit in several ways --------------------------------------------------


def curve(device: torch.device) -> tuple[Tensor, Tensor]:
    """Points of a function that polynomials come close to, made on the device."""
    x = torch.linspace(-2, 2, 60, device=device)
    return x, torch.exp(x / 2) * torch.cos(2 * x)


@program
def fit_by_hand(device: torch.device) -> Outcome:
    """The gradients of a cubic's coefficients are written out."""
    x, y = curve(device)
    a, b, c, d = (torch.randn((), device=device, dtype=torch.float) for _ in range(4))
    losses = []
    for _step in range(30):
        error = a + b * x + c * x**2 + d * x**3 - y
        losses.append(error.pow(2).sum().item())
        slope = 2.0 * error
        a -= 1e-3 * slope.sum()
        b -= 1e-3 * (slope * x).sum()
        c -= 1e-3 * (slope * x**2).sum()
        d -= 1e-3 * (slope * x**3).sum()
    return Outcome({"coefficients": (a, b, c, d), "error": error}, {"losses": losses})


@program
def fit_with_autograd(device: torch.device) -> Outcome:
    """Autograd finds the gradients; the updates are made by hand."""
    torch.set_default_device(device)  # what is made from here on is made there
    try:
        x, y = curve(device)
        coefficients = [torch.randn((), requires_grad=True) for _ in range(4)]
        last = torch.tensor(0.0)
        for _step in range(30):
            made: Any = sum(c * x**power for power, c in enumerate(coefficients))
            last = (made - y).pow(2).sum()
            last.backward()
            with torch.no_grad():
                for c in coefficients:
                    assert c.grad is not None
                    c.sub_(1e-3 * c.grad)
                    c.grad = None
        (coefficients[0] * x).sum().backward()
    finally:
        torch.set_default_device(None)
    return Outcome({"coefficients": coefficients, "last": last})


class Legendre(torch.autograd.Function):
    """The third Legendre polynomial with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(5x³ - 3x) / 2."""
        ctx.save_for_backward(x)
        return (5 * x**3 - 3 * x) / 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gradient, made with a tensor that backward itself makes on the device."""
        (x,) = ctx.saved_tensors
        half = torch.full((), 1.5, device=x.device)
        assert gradients[0].device == x.device, "a gradient is where its tensor is"
        gradient: Tensor = gradients[0] * half * (5 * x**2 - 1)
        return gradient


@program
def fit_with_a_custom_function(device: torch.device) -> Outcome:
    """A custom autograd function is part of the curve."""
    x, y = curve(device)
    a, b, c = (torch.full((), v, device=device, requires_grad=True) for v in (0.0, -0.3, 0.2))
    for _step in range(20):
        made = a + b * Legendre.apply(c * x)
        loss = (made - y).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            for each in (a, b, c):
                assert each.grad is not None
                each.sub_(0.05 * each.grad)
                each.grad.zero_()
    return Outcome({"coefficients": (a, b, c), "loss": loss})


@program
def fit_with_modules(device: torch.device) -> Outcome:
    """A linear layer over powers of x, and an optimizer."""
    x, y = curve(device)
    powers = x.unsqueeze(-1).pow(torch.tensor([1, 2, 3], device=device))
    model = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0, 1)).to(device)
    optimizer = optim.RMSprop(model.parameters(), lr=1e-2)
    for _step in range(25):
        loss = F.mse_loss(model(powers), y, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Outcome({"model": model, "optimizer": optimizer, "loss": loss})


class Dynamic(nn.Module):
    """A polynomial of an order that changes from call to call and shares its last weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(())) for _ in range(4))

    def forward(self, x: Tensor, order: int) -> Tensor:
        """The polynomial's values."""
        y: Tensor = self.weights[0] + self.weights[1] * x + self.weights[2] * x**2
        for power in range(3, order):
            y = y + self.weights[3] * x**power
        return y


@program
def fit_a_dynamic_net(device: torch.device) -> Outcome:
    """Control flow in Python decides which weights take part."""
    chosen = random.Random(5)
    x, y = curve(device)
    model = Dynamic().to(device)
    optimizer = optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    for _step in range(25):
        loss = F.mse_loss(model(x, chosen.randint(4, 6)), y, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Outcome({"model": model, "optimizer": optimizer})


# What torch.nn really is --------------------------------------------------------------------------


class Moving:
    """A loader around another one, whose batches it moves and shapes."""

    def __init__(self, loader: Loader, move: Callable[..., tuple[Tensor, Tensor]]) -> None:
        self.loader = loader
        self.move = move

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self.loader:
            yield self.move(*batch)


@program
def wrapped_loader(device: torch.device) -> Outcome:
    """Logistic regression by hand first, then a conv net on batches that a wrapper moves."""
    images, rows = pictures()
    flat, labels = images.flatten(1).to(device), rows.to(device)
    weights = (torch.randn(64, 8) / 8).to(device).requires_grad_()
    bias = torch.zeros(8, requires_grad=True, device=device)
    for start in range(0, len(flat), 8):
        logits = flat[start : start + 8] @ weights + bias
        scores = logits - logits.exp().sum(-1).log().unsqueeze(-1)
        loss = -scores[range(8), labels[start : start + 8]].mean()
        loss.backward()
        with torch.no_grad():
            for each in (weights, bias):
                assert each.grad is not None
                each.sub_(each.grad, alpha=0.5)
                each.grad.zero_()

    def move(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x.view(-1, 1, 8, 8).to(device), y.to(device)

    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for x, y in Moving(batches((flat.cpu(), rows)), move):
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    return Outcome({"weights": weights, "bias": bias, "model": model, "optimizer": optimizer})


# Vision -------------------------------------------------------------------------------------------


class Backbone(nn.Module):
    """A small convolutional network with a normalised body and a head that can be exchanged."""

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.fc(torch.flatten(self.body(x), 1))
        return logits


@program
def transfer_learning(device: torch.device) -> Outcome:
    """The body is frozen, a new head is trained, and the best weights of two phases are kept."""
    images, rows = pictures()
    loaders = {"train": batches((images, rows % 2)), "val": batches((images[:12], rows[:12] % 2))}
    model = Backbone()
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 2)
    model = model.to(device)
    optimizer = optim.SGD(model.fc.parameters(), lr=0.05, momentum=0.9)
    schedule = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    best, best_score = copy.deepcopy(model.state_dict()), -1.0
    history = []
    for _epoch in range(3):
        for phase, loader in loaders.items():
            model.train(phase == "train")
            right, loss_sum = torch.tensor(0, device=device), 0.0
            for inputs, labels in loader:
                x, y = inputs.to(device), labels.to(device)
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(x)
                    _, predicted = torch.max(outputs, 1)
                    loss = F.cross_entropy(outputs, y)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                loss_sum += loss.item() * x.size(0)
                right += torch.sum(predicted == y.data)
            score = right.double() / 24
            history.append((loss_sum, score.item()))
            if phase == "val" and score.item() > best_score:
                best, best_score = copy.deepcopy(model.state_dict()), score.item()
        schedule.step()
    model.load_state_dict(best)
    assert model.body[0].weight.grad is None
    return Outcome(
        {"model": model, "best": best, "optimizer": optimizer, "score": score},
        {"history": history, "rate": schedule.get_last_lr()},
    )


@program
def picture_classifier(device: torch.device) -> Outcome:
    """A conv net on colour pictures; saved, loaded on the CPU, and right answers by class."""
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 8, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32, 8),
    )
    model.to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    data = pictures(channels=3)
    running = 0.0
    for batch in batches(data, shuffle=True):
        inputs, labels = batch[0].to(device), batch[1].to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    on_cpu = torch.load(file, map_location="cpu", weights_only=True)
    by_class = dict.fromkeys(range(8), 0)
    with torch.no_grad():
        for inputs, labels in batches(data):
            _, predictions = torch.max(model(inputs.to(device)), 1)
            for label, prediction in zip(labels, predictions, strict=True):
                by_class[int(label)] += int(label.item() == prediction.item())
    return Outcome({"model": model}, {"weights": on_cpu, "loss": running, "right": by_class})


class DigitNet(nn.Module):
    """Convolutions, two kinds of dropout, log-probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1)
        self.dropout1 = nn.Dropout2d(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        """The logarithms of the probabilities."""
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = torch.flatten(self.dropout1(F.max_pool2d(x, 2)), 1)
        return F.log_softmax(self.fc(self.dropout2(x)), dim=1)


@program
def digits(device: torch.device) -> Outcome:
    """The classic example: dropout drawn on the device, Adadelta, a schedule, a test."""
    model = DigitNet().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    torch.manual_seed(1)
    for _epoch in range(2):
        model.train()
        for inputs, labels in batches(pictures()):
            data, target = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
        schedule.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for inputs, labels in batches(pictures()):
            data, target = inputs.to(device), labels.to(device)
            found = model(data).argmax(dim=1, keepdim=True)
            right += int(found.eq(target.view_as(found)).sum().item())
    return Outcome({"model": model, "optimizer": optimizer, "loss": loss}, {"right": right})


@program
def two_networks_compete(device: torch.device) -> Outcome:
    """A generator and a discriminator with an optimizer each; noise is drawn on the device."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(True),
        nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    ).to(device)
    critic = nn.Sequential(
        nn.Conv2d(1, 8, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    ).to(device)
    torch.manual_seed(2)

    def start(module: nn.Module) -> None:
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight.data, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight.data, 1.0, 0.02)
            nn.init.constant_(module.bias.data, 0)

    generator.apply(start)
    critic.apply(start)
    fixed = torch.randn(4, 6, 1, 1, device=device)
    loss_of = nn.BCELoss()
    of_critic = optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.999))
    of_generator = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    history = []
    for (images,) in batches((pictures()[0],)):
        critic.zero_grad()
        real = images.to(device)
        label = torch.full((real.size(0),), 1.0, dtype=torch.float, device=device)
        on_real = loss_of(critic(real).view(-1), label)
        on_real.backward()
        noise = torch.randn(real.size(0), 6, 1, 1, device=device)
        fake = generator(noise)
        label.fill_(0.0)
        on_fake = loss_of(critic(fake.detach()).view(-1), label)
        on_fake.backward()
        of_critic.step()
        generator.zero_grad()
        label.fill_(1.0)
        fooled = loss_of(critic(fake).view(-1), label)
        fooled.backward()
        of_generator.step()
        history.append(((on_real + on_fake).item(), fooled.item()))
    with torch.no_grad():
        shown = generator(fixed).detach().cpu()
    return Outcome(
        {"generator": generator, "critic": critic, "noise": noise, "fake": fake}
        | {"optimizers": [of_critic, of_generator]},
        {"shown": shown, "history": history},
    )


# Sequences ----------------------------------------------------------------------------------------


class CharNet(nn.Module):
    """An LSTM over characters that starts from a state that the caller gives."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 6)
        self.lstm = nn.LSTM(6, 10, num_layers=2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(10, letters)

    def forward(
        self, x: Tensor, hidden: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits for the next letters, and the new state."""
        outputs, hidden = self.lstm(self.embedding(x), hidden)
        return self.out(outputs), hidden


def zero_state(batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A state of nothing, made on the device."""
    return torch.zeros(2, batch, 10, device=device), torch.zeros(2, batch, 10, device=device)


@program
def characters(device: torch.device) -> Outcome:
    """An LSTM learns a sentence and writes on, letter by letter, drawn on the device."""
    text = "la gradiente desciende y la red aprende "
    letters = sorted(set(text))
    numbers = torch.tensor([letters.index(letter) for letter in text])
    model = CharNet(len(letters)).to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    torch.manual_seed(3)
    hidden = zero_state(2, device)
    data = numbers.view(2, -1).to(device)
    for _epoch in range(4):
        h, c = (state.detach() for state in hidden)
        logits, hidden = model(data[:, :-1], (h, c))
        loss = F.cross_entropy(logits.transpose(1, 2), data[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    letter, state, written = numbers[:1].view(1, 1).to(device), zero_state(1, device), ""
    with torch.no_grad():
        for _step in range(12):
            logits, state = model(letter, state)
            letter = torch.multinomial(logits[:, -1].softmax(-1), 1)
            written += letters[int(letter)]
    return Outcome(
        {"model": model, "optimizer": optimizer, "hidden": hidden, "letter": letter},
        {"written": written},
    )


@program
def packed_sequences(device: torch.device) -> Outcome:
    """Sequences of different lengths are padded, packed, read by a GRU and unpacked."""
    lengths = torch.tensor([5, 3, 2])
    rows = [torch.randn(int(length), 4) for length in lengths]
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
    gru = nn.GRU(4, 6, batch_first=True, bidirectional=True).to(device)
    packed = nn.utils.rnn.pack_padded_sequence(padded, lengths, batch_first=True)
    outputs, hidden = gru(packed)
    unpacked, back = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    unpacked.pow(2).sum().backward()
    return Outcome(
        {"gru": gru, "packed": packed.data, "unpacked": unpacked, "hidden": hidden},
        {"lengths": back},
    )


class Attention(nn.Module):
    """Additive attention."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.score = nn.Linear(size, 1)

    def forward(self, query: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted keys, and the weights."""
        scores = self.score(torch.tanh(self.query(query) + self.key(keys)))
        weights = F.softmax(scores.squeeze(2).unsqueeze(1), dim=-1)
        return torch.bmm(weights, keys), weights


class Decoder(nn.Module):
    """Writes a sentence word by word, looking at the words that were read."""

    def __init__(self, size: int, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.attention = Attention(size)
        self.gru = nn.GRU(2 * size, size, batch_first=True)
        self.out = nn.Linear(size, words)
        self.dropout = nn.Dropout(0.1)

    def forward(
        self, read: Tensor, hidden: Tensor, target: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the words, and where each looked."""
        word = torch.empty(read.size(0), 1, dtype=torch.long, device=read.device).fill_(0)
        outputs, looks = [], []
        for step in range(4):
            embedded = self.dropout(self.embedding(word))
            context, look = self.attention(hidden.permute(1, 0, 2), read)
            output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
            output = self.out(output)
            outputs.append(output)
            looks.append(look)
            if target is not None:
                word = target[:, step].unsqueeze(1)  # the teacher's word
            else:
                word = output.topk(1)[1].squeeze(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1), torch.cat(looks, dim=1)


@program
def translation(device: torch.device) -> Outcome:
    """An encoder, a decoder with attention, an optimizer for each, with and without a teacher."""
    source = torch.randint(2, 9, (6, 5))
    target = source.flip(1)[:, :4].contiguous()
    embedding, encoder = nn.Embedding(9, 8).to(device), nn.GRU(8, 8, batch_first=True).to(device)
    decoder = Decoder(8, 9).to(device)
    optimizers = [
        optim.Adam([*embedding.parameters(), *encoder.parameters()], lr=0.01),
        optim.Adam(decoder.parameters(), lr=0.01),
    ]
    torch.manual_seed(4)
    losses = []
    for step in range(4):
        for optimizer in optimizers:
            optimizer.zero_grad()
        x, y = source.to(device), target.to(device)
        read, hidden = encoder(embedding(x))
        words, looks = decoder(read, hidden, y if step % 2 else None)
        loss = F.nll_loss(words.view(-1, 9), y.view(-1))
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    return Outcome(
        {"models": [embedding, encoder, decoder], "optimizers": optimizers, "looks": looks},
        {"losses": losses, "drawn": looks[0].detach().cpu().numpy().tolist()},
    )


class Positions(nn.Module):
    """Adds sines and cosines of positions, which are a buffer."""

    pe: Tensor

    def __init__(self, size: int, longest: int = 16) -> None:
        super().__init__()
        position = torch.arange(longest).unsqueeze(1)
        rate = torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
        pe = torch.zeros(1, longest, size)
        pe[0, :, 0::2] = torch.sin(position * rate)
        pe[0, :, 1::2] = torch.cos(position * rate)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        """The input with its positions."""
        return x + self.pe[:, : x.size(1)]


@program
def transformer(device: torch.device) -> Outcome:
    """Encoder and decoder with causal and padding masks, trained and used."""
    embedding, positions = nn.Embedding(10, 8).to(device), Positions(8).to(device)
    model = nn.Transformer(
        8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16, batch_first=True
    ).to(device)
    head = nn.Linear(8, 10).to(device)
    source, target = torch.randint(1, 10, (4, 6)), torch.randint(1, 10, (4, 5))
    source[0, 4:] = 0
    x, y = source.to(device), target.to(device)
    modules = nn.ModuleList([embedding, model, head])
    optimizer = optim.AdamW(modules.parameters(), lr=1e-2)
    causal = nn.Transformer.generate_square_subsequent_mask(4, device=device)
    padding = torch.zeros(x.shape, device=device).masked_fill(x == 0, float("-inf"))

    def logits() -> Tensor:
        found: Tensor = head(
            model(
                positions(embedding(x)),
                positions(embedding(y[:, :-1])),
                tgt_mask=causal,
                src_key_padding_mask=padding,
                memory_key_padding_mask=padding,
            )
        )
        return found

    torch.manual_seed(5)
    for _step in range(3):
        loss = F.cross_entropy(logits().flatten(0, 1), y[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    modules.eval()
    with torch.no_grad():
        used = logits()
    return Outcome(
        {"modules": modules, "positions": positions, "optimizer": optimizer, "used": used}
        | {"causal": causal}
    )


@program
def transformer_encoder(device: torch.device) -> Outcome:
    """An encoder with a padding mask takes torch's fast path when it is not trained."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, num_layers=2).to(device)
    x = torch.randn(3, 5, 8).to(device)
    padding = torch.zeros(3, 5, dtype=torch.bool, device=device)
    padding[0, 3:] = True
    encoder(x, src_key_padding_mask=padding).sum().backward()
    encoder.eval()
    with torch.no_grad():
        fast = encoder(x)
        masked = encoder(x, src_key_padding_mask=padding)
    attention = nn.MultiheadAttention(8, 2, batch_first=True).to(device)
    looked, weights = attention(x, x, x, key_padding_mask=padding)
    scaled = F.scaled_dot_product_attention(x, x, x, is_causal=True)
    return Outcome(
        {"encoder": encoder, "fast": fast, "masked": masked, "looked": looked}
        | {"weights": weights, "scaled": scaled}
    )


# Reinforcement ------------------------------------------------------------------------------------


class Transition(NamedTuple):
    """One step of an agent."""

    state: Tensor
    action: Tensor
    next_state: Tensor | None
    reward: Tensor


@program
def replay(device: torch.device) -> Outcome:
    """Q-learning from a memory: batches by ``torch.cat``, a mask, and a target that follows."""
    chosen = random.Random(6)
    policy, target = perceptron(4, 2).to(device), perceptron(4, 2).to(device)
    target.load_state_dict(policy.state_dict())
    optimizer = optim.AdamW(policy.parameters(), lr=1e-2, amsgrad=True)
    memory: deque[Transition] = deque(maxlen=40)
    state = torch.tensor([0.1, -0.2, 0.3, 0.0], dtype=torch.float32, device=device).unsqueeze(0)
    for step in range(30):
        if chosen.random() < 0.5:
            with torch.no_grad():
                action = policy(state).max(1).indices.view(1, 1)
        else:
            action = torch.tensor([[chosen.randrange(2)]], device=device, dtype=torch.long)
        reward = torch.tensor([float(action.item())], device=device)
        observed = np.roll(state.cpu().numpy(), 1)[0] + np.float32(0.1) * action.item()
        ended = step % 10 == 9
        following = (
            None
            if ended
            else torch.tensor(observed, dtype=torch.float32, device=device).unsqueeze(0)
        )
        memory.append(Transition(state, action, following, reward))
        state = torch.zeros(1, 4, device=device) if following is None else following
        if len(memory) < 8:
            continue
        batch = chosen.sample(list(memory), 8)
        states = torch.cat([one.state for one in batch])
        actions = torch.cat([one.action for one in batch])
        rewards = torch.cat([one.reward for one in batch])
        going_on = torch.tensor(
            tuple(one.next_state is not None for one in batch), device=device, dtype=torch.bool
        )
        following_states = torch.cat(
            [one.next_state for one in batch if one.next_state is not None]
        )
        values = policy(states).gather(1, actions)
        next_values = torch.zeros(8, device=device)
        with torch.no_grad():
            next_values[going_on] = target(following_states).max(1).values
        loss = F.smooth_l1_loss(values, (next_values * 0.9 + rewards).unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        clip_grad_value_(policy.parameters(), 0.5)
        optimizer.step()
        ours, theirs = policy.state_dict(), target.state_dict()
        for name in ours:
            theirs[name] = ours[name] * 0.1 + theirs[name] * 0.9
        target.load_state_dict(theirs)
    return Outcome(
        {"policy": policy, "target": target, "optimizer": optimizer, "states": states}
        | {"values": next_values, "going on": going_on}
    )


# Saving and loading -------------------------------------------------------------------------------


@program
def save_and_load(device: torch.device) -> Outcome:
    """A checkpoint goes from the device to the CPU, from the CPU to the device, and stays."""
    x, y = (each.to(device) for each in blobs())

    def trained(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> None:
        for _step in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    def saved(model: nn.Module, optimizer: optim.Optimizer) -> io.BytesIO:
        file = io.BytesIO()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
        torch.save(state, file)
        file.seek(0)
        return file

    model = perceptron().to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    trained(model, optimizer, x, y)

    file = saved(model, optimizer)
    stays = torch.load(file, weights_only=True)
    same = perceptron().to(device)
    same.load_state_dict(stays["model"])
    same_optimizer = optim.Adam(same.parameters())
    same_optimizer.load_state_dict(stays["optimizer"])
    trained(same, same_optimizer, x, y)

    file.seek(0)
    to_cpu = torch.load(file, map_location=torch.device("cpu"), weights_only=True)
    on_cpu = perceptron()
    on_cpu.load_state_dict(to_cpu["model"])
    cpu_optimizer = optim.Adam(on_cpu.parameters())
    cpu_optimizer.load_state_dict(to_cpu["optimizer"])
    trained(on_cpu, cpu_optimizer, x.cpu(), y.cpu())

    file = saved(on_cpu, cpu_optimizer)
    to_device = torch.load(file, map_location=device, weights_only=True)
    back = perceptron()
    back.load_state_dict(to_device["model"])
    back.to(device)
    back_optimizer = optim.Adam(back.parameters())
    back_optimizer.load_state_dict(to_device["optimizer"])
    trained(back, back_optimizer, x, y)

    whole = io.BytesIO()
    torch.save(model, whole)
    whole.seek(0)
    model_again = torch.load(whole, weights_only=False)
    return Outcome(
        {"model": model, "optimizer": optimizer, "same": same, "same optimizer": same_optimizer}
        | {"back": back, "whole": model_again, "loaded": stays["model"]}
        | {"mapped": to_device["model"], "mapped, counters too": back_optimizer.state_dict()},
        {"on cpu": on_cpu, "cpu optimizer": cpu_optimizer, "loaded": to_cpu["model"]},
    )


# Loading data -------------------------------------------------------------------------------------


class Squares(Dataset[dict[str, Any]]):
    """Samples as dictionaries."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": torch.full((3,), float(index)), "y": index * index, "name": f"n{index}"}


@program
def pinned_batches(device: torch.device) -> Outcome:
    """Batches in pinned memory are copied without waiting."""
    loader = DataLoader(
        Squares(),
        batch_size=4,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(1),
    )
    model = nn.Linear(3, 1).to(device, non_blocking=True)
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    names = []
    for batch in loader:
        assert batch["x"].is_pinned() == (device.type == "cuda")
        assert not batch["x"].is_cuda
        x = batch["x"].to(device, non_blocking=True)
        y = batch["y"].to(device, dtype=torch.float32, non_blocking=True)
        F.mse_loss(model(x).squeeze(1), y).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        names += batch["name"]
    return Outcome({"model": model, "x": x, "y": y}, {"names": names, "batch": batch["x"]})


# Training techniques ------------------------------------------------------------------------------


@program
def optimization_loop(device: torch.device) -> Outcome:
    """Hyperparameters, a loss, an optimizer, epochs of training and testing."""
    loader = batches(blobs(), size=16)
    model = perceptron().to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.tensor([1.0, 2.0, 0.5]))
    loss_of.to(device)
    history = []
    for _epoch in range(3):
        last = train_epoch(loader, model, loss_of, optimizer, device)
        history.append((last, *evaluate(loader, model, loss_of, device)))
    return Outcome({"model": model, "loss": loss_of}, {"history": history})


@program
def accumulated_gradients(device: torch.device) -> Outcome:
    """Gradients of several batches are summed, clipped and applied together."""
    model = perceptron().to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    norms = []
    for number, (inputs, labels) in enumerate(batches(blobs())):
        loss = F.cross_entropy(model(inputs.to(device)), labels.to(device)) / 2
        loss.backward()
        if number % 2:
            norms.append(clip_grad_norm_(model.parameters(), max_norm=0.5))
            optimizer.step()
            optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs.to(device)), labels.to(device))
    loss.backward()
    return Outcome({"model": model, "optimizer": optimizer, "norms": norms, "loss": loss})


@program
def schedules(device: torch.device) -> Outcome:
    """Learning rates change from step to step, one of them by the loss."""
    x, y = (each.to(device) for each in blobs())
    models, rates = [], []
    kinds: list[Callable[[optim.Optimizer], Any]] = [
        lambda optimizer: lr_scheduler.StepLR(optimizer, 2, 0.5),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=5),
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=6),
        lambda optimizer: lr_scheduler.SequentialLR(
            optimizer,
            [lr_scheduler.LinearLR(optimizer, 0.1), lr_scheduler.ExponentialLR(optimizer, 0.9)],
            milestones=[3],
        ),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1)),
        lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=1.0),
    ]
    for kind in kinds:
        model = perceptron().to(device)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = kind(optimizer)
        for _step in range(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            by_loss = isinstance(schedule, lr_scheduler.ReduceLROnPlateau)
            schedule.step(loss.detach()) if by_loss else schedule.step()
            rates.append(optimizer.param_groups[0]["lr"])
        models.append(model)
    return Outcome({"models": models}, {"rates": rates})


@program
def moving_average(device: torch.device) -> Outcome:
    """A second model follows the first one's weights; its batch statistics are made at the end."""
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).to(device)
    average = AveragedModel(model, device=device)
    follower = AveragedModel(
        model, device=device, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    loader = batches(blobs())
    for inputs, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs.to(device)), labels.to(device)).backward()
        optimizer.step()
        average.update_parameters(model)
        follower.update_parameters(model)
    update_bn(loader, average, device=device)
    average.eval()
    follower.eval()
    x = blobs()[0].to(device)
    return Outcome(
        {"model": model, "average": average, "follower": follower}
        | {"by average": average(x), "by follower": follower(x)}
    )


@program
def parameter_groups(device: torch.device) -> Outcome:
    """The head learns faster than the body, biases have no decay, a group comes later."""
    model = perceptron().to(device)
    scale = nn.Parameter(torch.ones((), device=device))
    groups: list[dict[str, Any]] = [
        {"params": [model[0].weight], "lr": 0.01},
        {"params": model[2].parameters()},
        {"params": [model[0].bias], "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, lr=0.1)
    x, y = (each.to(device) for each in blobs())
    for step in range(4):
        if step == 2:
            optimizer.add_param_group({"params": [scale], "lr": 0.5})
        optimizer.zero_grad()
        F.cross_entropy(model(x) * scale, y).backward()
        optimizer.step()
    return Outcome({"model": model, "scale": scale, "optimizer": optimizer})


@program
def closures(device: torch.device) -> Outcome:
    """L-BFGS asks for the loss as often as it likes."""
    model = perceptron().to(device)
    x, y = (each.to(device) for each in blobs())
    optimizer = optim.LBFGS(
        model.parameters(), lr=0.5, max_iter=5, history_size=4, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    losses = [optimizer.step(closure) for _step in range(3)]
    return Outcome({"model": model, "losses": losses, "optimizer": optimizer})


@program
def every_optimizer(device: torch.device) -> Outcome:
    """All dense optimizers, in their usual form and over lists of tensors."""
    x, y = (each.to(device) for each in blobs())
    kinds: list[Callable[..., optim.Optimizer]] = [
        lambda params, **options: optim.SGD(params, lr=0.1, momentum=0.9, **options),
        optim.Adam,
        lambda params, **options: optim.Adam(params, amsgrad=True, **options),
        optim.AdamW,
        optim.Adamax,
        optim.NAdam,
        optim.RAdam,
        optim.Adagrad,
        optim.Adadelta,
        lambda params, **options: optim.RMSprop(params, centered=True, momentum=0.5, **options),
        optim.Rprop,
        optim.ASGD,
    ]
    models, optimizers = [], []
    for foreach in (False, True):
        for kind in kinds:
            model = perceptron().to(device)
            optimizer = kind(model.parameters(), foreach=foreach)
            for _step in range(2):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            models.append(model)
            optimizers.append(optimizer)
    return Outcome({"models": models, "optimizers": optimizers})


@program
def sparse_gradients(device: torch.device) -> Outcome:
    """An embedding with sparse gradients and the optimizer for them."""
    table = nn.Embedding(12, 4, sparse=True).to(device)
    optimizer = optim.SparseAdam(list(table.parameters()), lr=0.1)
    words = torch.tensor([[1, 2, 1], [7, 7, 3]]).to(device)
    for _step in range(2):
        optimizer.zero_grad()
        table(words).pow(2).sum().backward()
        optimizer.step()
    gradient = table.weight.grad
    assert gradient is not None and gradient.is_sparse
    return Outcome(
        {"weight": table.weight.detach(), "gradient": gradient.to_dense()}
        | {"values": gradient.coalesce().values(), "indices": gradient.coalesce().indices()}
    )


@program
def parametrized_weights(device: torch.device) -> Outcome:
    """Weights that are made from others: weight norm and spectral norm."""
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 8)),
        nn.ReLU(),
        parametrizations.spectral_norm(nn.Linear(8, 8), n_power_iterations=2),
        nn.ReLU(),
        nn.Linear(8, 3),
    ).to(device)
    torch.manual_seed(7)
    parametrizations.spectral_norm(model[4])  # draws its first vectors on the device
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x, y = (each.to(device) for each in blobs())
    for _step in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    weights = {f"weight {number}": model[number].weight for number in (0, 2, 4)}
    return Outcome({"model": model, **weights})


@program
def recomputed_activations(device: torch.device) -> Outcome:
    """Activations are computed again on the way back, with the same dropout."""
    blocks = nn.ModuleList(
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(0.3)) for _ in range(3)
    ).to(device)
    x = blobs()[0].to(device).requires_grad_()
    torch.manual_seed(8)
    outputs = []
    for reentrant in (False, True):
        hidden = x
        for block in blocks:
            hidden = checkpoint(block, hidden, use_reentrant=reentrant)
        hidden.pow(2).mean().backward()
        outputs.append(hidden)
    after = torch.rand(3, device=device)
    return Outcome({"blocks": blocks, "x": x, "outputs": outputs, "after": after})


@program
def functions_of_parameters(device: torch.device) -> Outcome:
    """``torch.func``: a model as a function, gradients of each sample, a Jacobian."""
    model = perceptron().to(device)
    x, y = (each.to(device) for each in blobs(6))
    parameters = {name: each.detach() for name, each in model.named_parameters()}

    def loss_of(parameters: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(model, parameters, (one.unsqueeze(0),))
        return F.cross_entropy(logits, label.unsqueeze(0))

    each = vmap(grad(loss_of), in_dims=(None, 0, 0))(parameters, x, y)
    mean = grad(lambda p: vmap(loss_of, in_dims=(None, 0, 0))(p, x, y).mean())(parameters)
    stepped = {name: parameters[name] - 0.1 * mean[name] for name in parameters}
    jacobian = jacrev(lambda row: functional_call(model, stepped, (row,)))(x[0])
    return Outcome({"each": each, "mean": mean, "stepped": stepped, "jacobian": jacobian})


@program
def hooks(device: torch.device) -> Outcome:
    """Hooks of modules and tensors see tensors of the device, forwards and backwards."""
    model = perceptron().to(device)
    seen: dict[str, Tensor] = {}

    def forwards(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen["activation"] = output.detach().clone()

    def backwards(module: nn.Module, given: Any, taken: Any) -> None:
        assert taken[0].device.type == device.type
        seen["backwards"] = taken[0] + torch.ones((), device=device)

    def on_tensor(gradient: Tensor) -> Tensor:
        assert gradient.device.type == device.type
        return gradient * torch.full_like(gradient, 2.0)

    handle = model[0].register_forward_hook(forwards)
    model[2].register_full_backward_hook(backwards)
    x, y = (each.to(device) for each in blobs())
    hidden = model[:2](x)
    hidden.register_hook(on_tensor)
    hidden.retain_grad()
    F.cross_entropy(model[2](hidden), y).backward()
    handle.remove()
    seen["between"] = hidden.grad
    return Outcome({"model": model, **seen})


@program
def trained_partly_on_the_cpu(device: torch.device) -> Outcome:
    """Gradients go back through a copy between the devices."""
    first, second = nn.Linear(4, 8), nn.Linear(8, 3).to(device)
    optimizer = optim.Adam([*first.parameters(), *second.parameters()], lr=0.05)
    x, y = blobs()
    for _step in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(second(torch.relu(first(x)).to(device)), y.to(device))
        loss.backward()
        optimizer.step()
    return Outcome({"second": second, "loss": loss}, {"first": first})


@program
def made_where_they_live(device: torch.device) -> Outcome:
    """Modules with ``device=``, a default device as a block, and modules moved from ``meta``."""
    torch.manual_seed(9)
    direct = nn.Sequential(nn.Linear(3, 4, device=device), nn.LayerNorm(4, device=device))
    with torch.device(device):
        inside = nn.Linear(3, 2)
        drawn = torch.randn(2, 3)
    with torch.device("meta"):
        empty = nn.Linear(3, 2)
    filled = empty.to_empty(device=device)
    nn.init.xavier_uniform_(filled.weight)
    nn.init.zeros_(filled.bias)
    return Outcome(
        {"direct": direct, "inside": inside, "drawn": drawn, "filled": filled}
        | {"used": filled(drawn) + inside(drawn), "normal": direct(drawn)}
    )


@program
def lazy_modules(device: torch.device) -> Outcome:
    """Layers that learn their number of inputs from the first batch, which is on the device."""
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)).to(device)
    x, y = (each.to(device) for each in blobs())
    torch.manual_seed(10)  # the weights are drawn on the device
    with torch.no_grad():
        model(x)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    return Outcome({"model": model})


@program
def inference_only(device: torch.device) -> Outcome:
    """A model is used, and one is made, where autograd keeps no records."""
    model = perceptron().to(device).eval()
    x = blobs()[0].to(device)
    with torch.inference_mode():
        chances = model(x).softmax(1)
        inside = nn.Linear(3, 2).to(device)(chances)
    assert chances.is_inference()
    return Outcome({"chances": chances, "inside": inside})


@program
def speech(device: torch.device) -> Outcome:
    """The CTC loss, whose lengths are usually on the CPU."""
    scores = torch.randn(12, 2, 5).to(device).requires_grad_()
    targets = torch.tensor([[1, 2, 3], [4, 2, 0]], device=device)
    lengths = torch.tensor([12, 10]), torch.tensor([3, 2])
    loss = nn.CTCLoss()(scores.log_softmax(2), targets, *lengths)
    loss.backward()
    return Outcome({"scores": scores, "loss": loss})


@program
def second_derivatives(device: torch.device) -> Outcome:
    """Hessians in two ways, and derivatives forwards."""
    x = torch.linspace(0.1, 1, 4).to(device)

    def function(x: Tensor) -> Tensor:
        return (x**3 * torch.sin(x)).sum()

    hessian = torch.autograd.functional.hessian(function, x)
    other = torch.func.hessian(function)(x)
    value, slope, *_rest = torch.func.jvp(torch.exp, (x,), (torch.ones_like(x),))
    return Outcome({"hessian": hessian, "other": other, "value": value, "slope": slope})
