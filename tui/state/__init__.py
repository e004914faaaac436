"""What the screen knows: the fleet as rows, what happened, what may be done. Nothing here draws, asks or waits."""
