"""Two releases side by side, one taking over from the other, while people use them."""
