"""What every request passes on its way in: one middleware per module."""
