"""The one door to native code: torch.library ops with shapes, gradients and fake implementations."""
