"""Where secrets are kept on this computer."""
