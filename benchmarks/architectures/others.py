"""Tables, points, recommendations."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.registry import ids, network, normal
from architectures.zoo import trained


@network(normal(1, 1024, 3))
class PointNet(nn.Module):
    """Qi et al., 2017: a transform of the points that they decide on, then a maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.turn, self.turned = self.shared(3, 64, 128), nn.Linear(128, 9)
        self.points, self.head = self.shared(3, 64, 128, 512), nn.Linear(512, 40)

    @staticmethod
    def shared(*widths: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv1d(inputs, outputs, 1), trained(nn.BatchNorm1d(outputs)), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        turn = self.turned(self.turn(x).amax(2)).view(-1, 3, 3) + torch.eye(3)
        return self.head(self.points(torch.bmm(turn, x)).amax(2))


@network(normal(64, 13), ids(64, 8, below=1000))
class Dlrm(nn.Module):
    """Naumov et al., 2019: embeddings and a dense vector, all pairs of them multiplied."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(1000, width) for _ in range(8))
        self.dense = nn.Sequential(nn.Linear(13, 256), nn.ReLU(), nn.Linear(256, width), nn.ReLU())
        self.top = nn.Sequential(
            nn.Linear(width + 36, 512), nn.ReLU(), nn.Linear(512, 1), nn.Sigmoid()
        )
        rows, columns = torch.tril_indices(9, 9, -1)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, dense: Tensor, kinds: Tensor) -> Tensor:
        x = self.dense(dense)
        parts = [x, *(table(kinds[:, i]) for i, table in enumerate(self.tables))]
        all_parts = torch.stack(parts, 1)
        pairs = torch.bmm(all_parts, all_parts.transpose(1, 2))[:, self.rows, self.columns]
        return self.top(torch.cat([x, pairs], 1)).squeeze(1)


@network(normal(256, 40), ids(256, 6, below=50))
class WideAndDeep(nn.Module):
    """Cheng et al., 2016."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(300, 16)
        self.wide = nn.Linear(40, 1)
        self.deep = nn.Sequential(
            *(nn.Linear(136, 256), trained(nn.BatchNorm1d(256)), nn.ReLU(), nn.Dropout(0.2)),
            *(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 1)),
        )
        self.register_buffer("starts", torch.arange(0, 300, 50))

    def forward(self, numbers: Tensor, kinds: Tensor) -> Tensor:
        embedded = self.table(kinds + self.starts).flatten(1)
        return torch.sigmoid(self.wide(numbers) + self.deep(torch.cat([numbers, embedded], 1)))


@network(normal(128, 64))
class TabularResNet(nn.Module):
    """Gorishniy et al., 2021."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(64, 192), nn.Linear(192, 10)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(
                    trained(nn.BatchNorm1d(192)),
                    nn.Linear(192, 384),
                    nn.ReLU(),
                    nn.Linear(384, 192),
                ),
            )
            for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(torch.relu(x))


@network(normal(32, 784), normal(32, 20))
class VariationalAutoencoder(nn.Module):
    """Kingma and Welling, 2013; the noise is an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
        self.decoder = nn.Sequential(
            nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid()
        )

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(z), -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(1)


@network(normal(1, 2708, 128), normal(2708, 64))
class GraphConvolution(nn.Module):
    """Kipf and Welling, 2016, of the size of Cora; neighbours as a product of low rank."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(128, 32), nn.Linear(32, 7)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        weights = F.softmax(neighbours, dim=-1)
        x = torch.relu(weights @ (weights.t() @ self.first(x)))
        return (weights @ (weights.t() @ self.second(x))).log_softmax(-1)


@network(normal(512, 3), normal(512, 3))
class Nerf(nn.Module):
    """Mildenhall et al., 2020: sines of positions, a network of eight layers with a skip."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.register_buffer("octaves", 2.0 ** torch.arange(10))
        widths = [63, width, width, width, width + 63, width, width, width]
        self.layers = nn.ModuleList(nn.Linear(inputs, width) for inputs in widths)
        self.density, self.colour = nn.Linear(width, 1), nn.Linear(width + 3, 3)

    def forward(self, points: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        angles = (points.unsqueeze(-1) * self.octaves).flatten(1)
        encoded = torch.cat([points, angles.sin(), angles.cos()], -1)
        x = encoded
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(torch.cat([x, encoded], -1) if i == 4 else x))
        return torch.relu(self.density(x)), torch.sigmoid(
            self.colour(torch.cat([x, direction], -1))
        )
