"""A step of Adam (Kingma and Ba, arXiv 1412.6980) by its definition."""

from torch import Tensor


def adam_step(
    value: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    steps: float,
    rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Value, mean and square after a step.

    Args:
        value: of any shape, as are all tensors.
        gradient: of the loss.
        mean: decaying mean of gradients.
        square: decaying mean of their squares.
        steps: taken so far, this one included.
        rate: learning rate.
        beta1: share of the mean that is kept.
        beta2: share of the square that is kept.
        eps: beside the root of the square.
    """
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    corrected_mean, corrected_square = mean / (1 - beta1**steps), square / (1 - beta2**steps)
    return value - rate * corrected_mean / (corrected_square.sqrt() + eps), mean, square
