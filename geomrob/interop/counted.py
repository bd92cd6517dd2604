"""How the evaluations of other libraries' attacks are counted."""

from torch import Tensor, nn

from geomrob.arrays import Model


class Counted(nn.Module):
    """A model that counts its sample-evaluations, forward and backward."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.forwards = 0
        self.backwards = 0

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the model's logits, counted now and, when a gradient comes back, again."""
        logits = self.model(inputs)
        self.forwards += len(inputs)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
